using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Compares the table of walks with <see cref="Clustering.Find"/> at every threshold and for random salient tokens.</summary>
[TestClass]
public sealed class ClusterReachTests
{
    [TestMethod]
    [DataRow(1, 7, 1)]
    [DataRow(2, 12, 3)]
    [DataRow(3, 25, 8)]
    [DataRow(4, 40, 19)]
    [DataRow(5, 1, 4)]
    public void At_EveryThreshold_UnionOfWalksIsTheCluster(int seed, int n, int width)
    {
        var random = new Random(seed);
        // Vectors scattered around a common one, so that the cosines cover most of the range.
        float[] hidden = [.. Enumerable.Range(0, n * width).Select(i => (float)(random.NextDouble() * 2 - 1 + (i % width == 0 ? 0.5 : 0)))];
        var thresholds = ClusterReach.ThresholdsWith(0.123456);
        Assert.HasCount(202, thresholds);
        var reach = ClusterReach.Of(thresholds, hidden, [.. Enumerable.Repeat(true, n)]);
        foreach (var rule in new[] { ClusterRule.Dissimilar, ClusterRule.Similar })
        {
            for (var i = 0; i < thresholds.Length; i++)
            {
                bool[] salient = [.. Enumerable.Range(0, n).Select(_ => random.Next(5) == 0)];
                var expected = Clustering.Find(rule, thresholds[i], hidden, salient);
                var cluster = new bool[n];
                for (var t = 0; t < n; t++)
                {
                    if (!salient[t]) continue;
                    var (left, right) = reach.At(rule, t, i);
                    Array.Fill(cluster, true, t - left, left + right + 1);
                }
                CollectionAssert.AreEqual(expected, cluster, $"{rule}, threshold {thresholds[i]}");
            }
        }
    }

    [TestMethod]
    public void At_TokenThatIsNoCandidate_ReturnsZero()
    {
        var reach = ClusterReach.Of(ClusterReach.ThresholdsWith(0.4), Scores.Angles(0, 90, 180), [false, true, false]);
        Assert.AreEqual((0, 0), reach.At(ClusterRule.Dissimilar, 0, 0));
        Assert.AreEqual((1, 1), reach.At(ClusterRule.Dissimilar, 1, 0));
        Assert.AreEqual((0, 0), reach.At(ClusterRule.Dissimilar, 2, 0));
    }

    [TestMethod]
    public void ThresholdsWith_ConfiguredThreshold_AddsItToTheHundredths()
    {
        var thresholds = ClusterReach.ThresholdsWith(0.4);
        Assert.HasCount(201, thresholds);
        Assert.AreEqual(0, thresholds[0]);
        Assert.AreEqual(0.4, thresholds[40]);
        Assert.AreEqual(2, thresholds[^1]);
        Assert.AreEqual(0.405, ClusterReach.ThresholdsWith(0.405)[41]);
    }

    [TestMethod]
    public void Of_NonFiniteHiddenState_IsRefused()
    {
        var error = Assert.ThrowsExactly<NlftException>(() => ClusterReach.Of([0.4], new float[] { 1, float.NaN }, [true, true]));
        Assert.StartsWith("hidden state of response token", error.Message);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    [DataRow(7)]
    [DataRow(130)]
    public void Cosine_AnyWidth_MatchesAPlainLoop(int width)
    {
        var random = new Random(width);
        double[] a = [.. Enumerable.Range(0, width).Select(_ => random.NextDouble() - 0.4)];
        float[] b = [.. Enumerable.Range(0, width).Select(_ => (float)random.NextDouble() - 0.4f)];
        var plain = a.Zip(b, (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(x => x * x)) / Math.Sqrt(b.Sum(y => (double)y * y));
        Assert.AreEqual(plain, Clustering.Cosine(a, b), 1e-14);
    }
}
