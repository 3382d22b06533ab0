using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

[TestClass]
public class RowOrderTests
{
    [TestMethod]
    public void SplitMix64_PublishedSeed_GivesThePublishedNumbers()
    {
        // The first outputs for seed 1234567 in the reference implementation by S. Vigna.
        var random = new SplitMix64(1234567);
        ulong[] expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821];
        foreach (var number in expected) Assert.AreEqual(number, random.Next());
    }

    [TestMethod]
    public void OfEpoch_SeedAndEpoch_ChangeThePermutation()
    {
        var order = RowOrder.OfEpoch(50, shuffle: true, seed: 42, epoch: 0);
        CollectionAssert.AreEqual(Enumerable.Range(0, 50).ToArray(), order.Order().ToArray());
        CollectionAssert.AreEqual(order, RowOrder.OfEpoch(50, true, 42, 0));
        CollectionAssert.AreNotEqual(order, RowOrder.OfEpoch(50, true, 42, 1));
        CollectionAssert.AreNotEqual(order, RowOrder.OfEpoch(50, true, 43, 0));
    }

    [TestMethod]
    public void OfEpoch_WithoutShuffling_KeepsTheOrder() =>
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3 }, RowOrder.OfEpoch(4, shuffle: false, seed: 42, epoch: 3));

    [TestMethod]
    public void OfEpoch_ThreeRows_GivesEveryPermutationEquallyOften()
    {
        var counts = Enumerable.Range(0, 6000).GroupBy(seed => string.Join("", RowOrder.OfEpoch(3, true, seed, 0)))
            .ToDictionary(g => g.Key, g => g.Count());
        Assert.HasCount(6, counts);
        var chiSquare = counts.Values.Sum(n => (n - 1000.0) * (n - 1000.0) / 1000);
        Assert.IsLessThan(20.5, chiSquare); // 0.1 % point with 5 degrees of freedom
    }

    [TestMethod]
    public void DropoutSeed_RowContextAndEpoch_DifferInIt()
    {
        var seeds = (from seed in Enumerable.Range(0, 3) from epoch in Enumerable.Range(0, 5) from row in Enumerable.Range(0, 20)
                     from context in new[] { PromptContexts.Base, PromptContexts.Judge } select RowOrder.DropoutSeed(seed, epoch, row, context))
                         .ToArray();
        Assert.HasCount(seeds.Length, seeds.Distinct().ToArray());
        Assert.AreEqual(RowOrder.DropoutSeed(1, 2, 3, PromptContexts.Base), RowOrder.DropoutSeed(1, 2, 3, PromptContexts.Base));
    }
}
