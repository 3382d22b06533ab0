using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Tests.Distributed;

/// <summary>The communicator of a process that no launcher started.</summary>
[TestClass]
public sealed class SingleCommunicatorTests
{
    [TestMethod]
    public void Single_Place_NamesThisProcess()
    {
        var single = Communicator.Single;
        Assert.AreEqual((0, 1, true, true, 1), (single.Rank, single.Size, single.IsFirst, single.IsSpeaker, single.SizeOnThisHost));
        Assert.AreEqual(0, single.RankOnThisHost);
        Assert.AreEqual(Environment.ProcessorCount, single.Processors);
        Assert.IsTrue(single.Places[0].IsAlive());
        Assert.IsFalse((single.Places[0] with { StartTime = "yesterday" }).IsAlive());
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => single.Send(1, 0, []));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => single.Send(0, -1, []));
    }
}
