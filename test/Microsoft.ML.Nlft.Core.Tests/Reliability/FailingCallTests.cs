using Microsoft.ML.Nlft.Reliability.Torture;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>Runs a few of the failing calls and losses of power of <c>./build.sh torture</c>.</summary>
[TestClass]
public sealed class FailingCallTests
{
    [TestMethod]
    [DataRow("calls", "1", "judge", "merge")]
    [DataRow("power", "2", "judge", "merge")]
    public void Run_JobsDisturbed_FilesAreOldOrNew(string part, string count, params string[] jobs)
    {
        if (FaultLibrary.Missing is { } missing) Assert.Inconclusive($"Jobs whose calls fail were left out: {missing}");
        using var folder = new TemporaryFolder();
        Assert.AreEqual(0, FaultLibrary.Run(folder.Path, [part, Fixtures.RepositoryRoot(), folder.File("scene"), count, "1", .. jobs]));
    }
}
