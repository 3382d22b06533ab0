using Microsoft.ML.Nlft.Reliability.Torture;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>Runs a few of the weight-file changes of <c>./build.sh torture</c>.</summary>
[TestClass]
public sealed class ChangedFileTests
{
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Run_WeightFileChanged_FinishesIdenticallyOrRefusesTheFile()
    {
        using var place = new Place(Fixtures.RepositoryRoot());
        Assert.AreEqual(0, Changes.Run(place, changes: 6, seed: 1));
    }
}
