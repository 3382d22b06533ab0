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
}
