using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

[TestClass]
public sealed class ClusteringTests
{
    [TestMethod]
    public void Find_NearNeighbour_StopsTheWalk()
    {
        // Token 2 is near (10 degrees), so token 3 is never reached although it is far.
        Assert.AreEqual("1100", Cluster("0100", 90, 0, 10, 120));
    }

    [TestMethod]
    public void Find_AddedToken_MovesTheCentreHalfway()
    {
        // From 0 degrees over 90 (centre 45) over 180 (centre 135) to 80: 55 degrees away. A running mean would stand at 90 and stop.
        Assert.AreEqual("1111", Cluster("0001", 80, 180, 90, 0));
    }

    [TestMethod]
    public void Find_RightWalk_StartsFromTheLeftWalksCentre()
    {
        // The left step moves the centre from 0 to 45 degrees, from which -10 is far; from 0 it would be near.
        Assert.AreEqual("111", Cluster("010", 90, 0, -10));
    }

    [TestMethod]
    public void Find_BothDirections_WalksLeftFirst()
    {
        // Right first would take 90 (centre 45) and then find -10 far; left first finds -10 near the centre at 0.
        Assert.AreEqual("011", Cluster("010", -10, 0, 90));
    }

    [TestMethod]
    public void Find_SalientTokenOnTheWay_IsPassedOver()
    {
        // The walk from 0 degrees over 90 and the salient 110 stands at 83.7, from which 140 is far; from 110 itself both its sides are near.
        Assert.AreEqual("1111", Cluster("1010", 0, 90, 110, 140));
        Assert.AreEqual("1111", Cluster("0101", 140, 110, 90, 0));
    }

    [TestMethod]
    public void Find_DistanceOnTheThreshold_DoesNotJoin()
    {
        Assert.AreEqual("100", Find(ClusterRule.Dissimilar, 1, "100", [1, 0, 0, 1, -1, 0]));
        Assert.AreEqual("110", Find(ClusterRule.Dissimilar, 0.999, "100", [1, 0, 0, 1, 1, 0]));
    }

    [TestMethod]
    public void Find_SimilarRule_AddsSimilarNeighbours()
    {
        Assert.AreEqual("0110", Find(ClusterRule.Similar, 0.4, "0100", Scores.Angles(90, 0, 10, 120)));
    }

    [TestMethod]
    public void Find_RuleNone_AddsNoNeighbour()
    {
        Assert.AreEqual("0100", Find(ClusterRule.None, 0.4, "0100", []));
    }

    [TestMethod]
    public void Find_ZeroVector_IsDissimilarToEverything()
    {
        Assert.AreEqual("111", Find(ClusterRule.Dissimilar, 0.4, "010", [1, 0, 0, 0, 0, 1]));
        Assert.AreEqual("010", Find(ClusterRule.Similar, 0.4, "010", [1, 0, 0, 0, 0, 1]));
    }

    [TestMethod]
    public void Find_NoSalientToken_FindsNoCluster()
    {
        Assert.AreEqual("000", Cluster("000", 0, 90, 180));
        Assert.AreEqual("0", Cluster("0", 0));
        Assert.AreEqual("1", Cluster("1", 0));
    }

    [TestMethod]
    public void Find_NonFiniteHiddenState_IsRefused()
    {
        var error = Assert.ThrowsExactly<NlftException>(() => Find(ClusterRule.Dissimilar, 0.4, "10", [1, 0, float.NaN, 0]));
        Assert.AreEqual("hidden state of response token 1: found a value that is not finite; expected finite numbers. "
            + "Check the model's weights and the learning rate: the network has diverged.", error.Message);
    }

    private static string Cluster(string salient, params double[] degrees) => Find(ClusterRule.Dissimilar, 0.4, salient, Scores.Angles(degrees));

    private static string Find(ClusterRule rule, double threshold, string salient, float[] hidden) =>
        string.Concat(Clustering.Find(rule, threshold, hidden, [.. salient.Select(flag => flag == '1')]).Select(flag => flag ? '1' : '0'));
}
