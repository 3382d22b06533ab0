using Microsoft.ML.Nlft.Reliability.Torture;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>The part of <c>./build.sh torture</c> that changes weight files under a process, for a few of them.</summary>
[TestClass]
public sealed class ChangedFileTests
{
    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    [TestCategory("Slow")]
    public void Run_WeightFileChangedUnderAProcess_EndsAsTheUnbrokenOrRefusesTheFile()
    {
        using var place = new Place(Fixtures.RepositoryRoot());
        Assert.AreEqual(0, Changes.Run(place, changes: 6, seed: 1));
    }
}
