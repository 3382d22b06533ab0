using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Communication between processes, under the installed launchers and without one.</summary>
[TestClass]
public sealed class CommunicatorTests
{
    [TestMethod]
    public void EveryCall_NoLauncher_WorksOnOneProcess()
    {
        var run = Launcher.RunAlone(["communicate"]).Require(0);
        StringAssert.Contains(run.Output, "1 ranks on no MPI: rank 0 (process ");
    }

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void EveryCall_OneToFourProcesses_ReturnsTheExpectedValues(string launcher)
    {
        for (var size = 1; size <= 4; size++)
        {
            var run = new Launcher(launcher).Run(size, ["communicate"]).Require(0);
            StringAssert.Contains(run.Output, $"{size} ranks on {launcher}", "the library of the launcher");
        }
    }

    [TestMethod]
    public void Start_LibraryOfAnotherLauncher_IsRefused()
    {
        _ = new Launcher("Open MPI").Run(1, ["communicate"]).Require(0); // its library is installed
        // the environment of MPICH's launcher
        var run = Launcher.RunAlone(["communicate"], ("NLFT_MPI_LIBRARY", "libmpi.so.40"), ("PMI_SIZE", "2")).Require(2);
        StringAssert.Contains(run.Error, "refused: MPI library libmpi.so.40: found a job of 1 (Open MPI v");
        StringAssert.Contains(run.Error,
            "; expected the 2 processes that MPICH's mpiexec says it started. Start the program with the launcher of that library (srun: --mpi=pmix "
            + "or --mpi=pmi2), or name the launcher's library in NLFT_MPI_LIBRARY.");
    }

    [TestMethod]
    [DataRow("libc.so.6",
        "refused: MPI library libc.so.6: found no function MPI_Get_library_version; expected MPI 3.0 or newer. It is older than 2012 or no MPI "
        + "library: install a newer one, or name another in NLFT_MPI_LIBRARY.")]
    [DataRow("/no/such.so",
        "refused: environment variable NLFT_MPI_LIBRARY: found \"/no/such.so\", which cannot be loaded; expected an MPI library, as a path or a "
        + "name. Correct it, or leave it out to have the installed library found.")]
    public void Start_NotAnMpiLibrary_IsRefused(string library, string message)
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("the names are Linux's");
        Assert.AreEqual(message, Launcher.RunAlone(["communicate"], ("NLFT_MPI_LIBRARY", library), ("PMI_SIZE", "2")).Require(2).Error.Trim());
    }

    [TestMethod]
    public void Open_NoLibrary_NamesThePackage()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("the words are Linux's");
        var open = Assert.ThrowsExactly<NlftException>(() =>
            MpiFinder.Open(MpiLauncher.Detect(Variables("OMPI_COMM_WORLD_SIZE=4"))!, _ => null, _ => null));
        Assert.AreEqual("MPI: found no MPI library on this machine; expected the library of Open MPI's mpirun, which started this process. " +
            "Install it: apt install openmpi-bin (Debian, Ubuntu), dnf install openmpi (Fedora), or load your cluster's module. Or name the library "
                + "in NLFT_MPI_LIBRARY.", open.Message);
        var mpich = Assert.ThrowsExactly<NlftException>(() => MpiFinder.Open(MpiLauncher.Detect(Variables("PMI_SIZE=4"))!, _ => null, _ => null));
        StringAssert.Contains(mpich.Message, "apt install mpich");
    }

    [TestMethod]
    public void Open_OtherFamilyOnly_NamesTheLibrary()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libm.so.6", out var library)) return;
        var found = Assert.ThrowsExactly<NlftException>(() =>
            MpiFinder.Open(new("srun", 2, [MpiFamily.OpenMpi]), _ => null, name => name == "libmpi.so" ? library : null));
        Assert.AreEqual("no MPI library that fits, only libmpi.so", found.Found);
    }

    [TestMethod]
    [DataRow("", null, null)]
    [DataRow("OMPI_COMM_WORLD_SIZE=3 PMIX_RANK=0 PMI_SIZE=3", "Open MPI's mpirun", 3)]
    [DataRow("PMI_SIZE=8 PMI_RANK=1", "MPICH's mpiexec", 8)]
    [DataRow("MV2_COMM_WORLD_SIZE=2", "MVAPICH's mpirun", 2)]
    [DataRow("SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=0 PMIX_RANK=0", "srun", 4)]
    [DataRow("SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0", null, null)] // one task: not an MPI job
    [DataRow("SLURM_NTASKS=4 SLURM_PROCID=0", null, null)] // the script of a batch job, not a step of it
    [DataRow("PMIX_RANK=0", "a PMIx launcher", null)]
    [DataRow("OMPI_COMM_WORLD_SIZE=many", null, null)]
    public void Detect_FindsTheLauncherInTheEnvironment(string environment, string? name, int? size)
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("PMI_SIZE means another launcher there");
        var launcher = MpiLauncher.Detect(Variables(environment));
        Assert.AreEqual(name, launcher?.Name);
        Assert.AreEqual(size, launcher?.Size);
    }

    [TestMethod]
    public void Single_Place_NamesThisProcess()
    {
        var single = Communicator.Single;
        Assert.AreEqual((0, 1, true, true, 1), (single.Rank, single.Size, single.IsFirst, single.IsSpeaker, single.SizeOnThisHost));
        Assert.AreEqual(Environment.ProcessorCount, single.Processors);
        Assert.IsTrue(single.Places[0].IsAlive());
        Assert.IsFalse((single.Places[0] with { StartTime = "yesterday" }).IsAlive());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => single.Send(1, 0, []));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => single.Send(0, -1, []));
    }

    private static Func<string, string?> Variables(string text)
    {
        var pairs = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('='))
            .ToDictionary(pair => pair[0], pair => pair[1]);
        return name => pairs.GetValueOrDefault(name);
    }
}
