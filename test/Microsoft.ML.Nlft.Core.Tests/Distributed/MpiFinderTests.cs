using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Tests.Distributed;

/// <summary>Which launcher started this process, and which library belongs to it.</summary>
[TestClass]
public sealed class MpiFinderTests
{
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

    private static Func<string, string?> Variables(string text)
    {
        var pairs = text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('='))
            .ToDictionary(pair => pair[0], pair => pair[1]);
        return name => pairs.GetValueOrDefault(name);
    }
}
