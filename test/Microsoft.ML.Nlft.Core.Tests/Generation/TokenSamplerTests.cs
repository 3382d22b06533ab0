using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tests.Generation;

[TestClass]
public class TokenSamplerTests
{
    // The logits are shifted by a constant, to which a softmax is invariant.
    private static readonly double[] Probabilities = [0.1, 0.4, 0.2, 0.3];
    private static readonly float[] Logits = Array.ConvertAll(Probabilities, p => (float)(Math.Log(p) + 5));

    private static int Next(GenerationOptions options, float[] logits, params int[] prompt) => new TokenSampler(options, 0, prompt).Next(logits);

    [TestMethod]
    public void Next_TemperatureZero_TakesTheLikeliestWithTheLowestId()
    {
        Assert.AreEqual(1, Next(new(), Logits));
        Assert.AreEqual(2, Next(new(), [1, 2, 3, 3]));
        Assert.AreEqual(0, Next(new(), [7, 7, 7]));
        Assert.AreEqual(1, Next(new(), [float.NegativeInfinity, -3, float.NegativeInfinity]));
    }

    private static IEnumerable<object[]> Distributions() => new (GenerationOptions Options, double[] Expected)[]
    {
        (new() { Temperature = 1 }, [0.1, 0.4, 0.2, 0.3]),
        (new() { Temperature = 0.5 }, [0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3]), // squares, normalized
        (new() { Temperature = 1, TopK = 2 }, [0, 4 / 7.0, 0, 3 / 7.0]),
        (new() { Temperature = 1, TopK = 1 }, [0, 1, 0, 0]),
        (new() { Temperature = 1, TopK = 99 }, [0.1, 0.4, 0.2, 0.3]),
        (new() { Temperature = 1, TopP = 0.65 }, [0, 4 / 7.0, 0, 3 / 7.0]), // 0.4 + 0.3 reaches it
        (new() { Temperature = 1, TopP = 0.75 }, [0, 4 / 9.0, 2 / 9.0, 3 / 9.0]), // 0.7 does not
        (new() { Temperature = 1, TopP = 0.01 }, [0, 1, 0, 0]), // the likeliest always stays
        (new() { Temperature = 1, MinP = 0.45 }, [0, 4 / 9.0, 2 / 9.0, 3 / 9.0]), // at least 0.18
        (new() { Temperature = 1, MinP = 0.6 }, [0, 4 / 7.0, 0, 3 / 7.0]),
        (new() { Temperature = 1, TopK = 3, TopP = 0.7, MinP = 0.1 }, [0, 4 / 7.0, 0, 3 / 7.0]), // of 4/9, 3/9, 2/9 two reach 0.7
    }.Select(row => new object[] { row.Options, row.Expected });

    [TestMethod]
    [DynamicData(nameof(Distributions))]
    public void Next_ManyDraws_FollowTheExactDistribution(GenerationOptions options, double[] expected)
    {
        const int draws = 20_000;
        var sampler = new TokenSampler(options, 0, []);
        var counts = new int[expected.Length];
        for (var i = 0; i < draws; i++) counts[sampler.Next(Logits)]++;
        var chiSquare = 0.0;
        for (var i = 0; i < expected.Length; i++)
        {
            if (expected[i] == 0) Assert.AreEqual(0, counts[i], $"token {i} is excluded");
            else chiSquare += Math.Pow(counts[i] - draws * expected[i], 2) / (draws * expected[i]);
        }

        Assert.IsLessThan(16.3, chiSquare); // 0.1 % point with 3 degrees of freedom, the most there are
    }

    [TestMethod]
    public void Next_LargeVocabulary_SamplesTheNucleus()
    {
        // 1000 tokens share 0.2, two have 0.5 and 0.3: the nucleus of 0.75 is those two.
        var logits = Enumerable.Range(0, 1002).Select(i => (float)Math.Log(i == 500 ? 0.5 : i == 700 ? 0.3 : 0.0002)).ToArray();
        var sampler = new TokenSampler(new() { Temperature = 1, TopP = 0.75 }, 0, []);
        var drawn = Enumerable.Range(0, 2000).Select(_ => sampler.Next(logits)).ToArray();
        CollectionAssert.AreEquivalent(new[] { 500, 700 }, drawn.Distinct().ToArray());
        Assert.AreEqual(0.625, drawn.Average(token => token == 500 ? 1.0 : 0), 0.04);
    }

    [TestMethod]
    public void Weigh_EquallyLikelyTokens_TopKKeepsAllOfThemAndTopPTheLowestIds()
    {
        float[] logits = [0, 1, 0, 0, -1];
        var weights = new double[logits.Length];
        new TokenSampler(new() { Temperature = 1, TopK = 2 }, 0, []).Weigh(logits, weights);
        CollectionAssert.AreEqual(new[] { true, true, true, true, false }, weights.Select(weight => weight > 0).ToArray());
        new TokenSampler(new() { Temperature = 1, TopP = 0.6 }, 0, []).Weigh(logits, weights); // e / (e + 3 + 1/e) = 0.45
        CollectionAssert.AreEqual(new[] { true, true, false, false, false }, weights.Select(weight => weight > 0).ToArray());
    }

    [TestMethod]
    public void Next_RepetitionPenalty_DividesPositiveAndMultipliesNegativeLogits()
    {
        var options = new GenerationOptions { RepetitionPenalty = 2 };
        Assert.AreEqual(1, Next(options, [3, 2, 1], 0)); // 3 / 2 < 2
        Assert.AreEqual(0, Next(options, [5, 2, 1], 0)); // 5 / 2 > 2
        Assert.AreEqual(1, Next(options, [-1, -1.5f, -9], 0, 0)); // -1 * 2 < -1.5, once however often it was seen
        Assert.AreEqual(0, Next(options, [3, 2, 1]));
        var sampler = new TokenSampler(options, 0, []);
        int[] own = [.. Enumerable.Range(0, 3).Select(_ => sampler.Next([3, 2, 1]))];
        CollectionAssert.AreEqual(new[] { 0, 1, 0 }, own, "its own tokens count as seen");
        Assert.AreEqual(1, Next(new() { RepetitionPenalty = 0.5 }, [3, 2, 1], 1), "a penalty below 1 favours seen tokens: 2 / 0.5 > 3");
    }

    [TestMethod]
    public void Next_RowsAndSeeds_HaveRepeatableStreamsOfTheirOwn()
    {
        CollectionAssert.AreEqual(Draws(seed: 1, row: 0), Draws(1, 0));
        CollectionAssert.AreNotEqual(Draws(1, 0), Draws(1, 1));
        CollectionAssert.AreNotEqual(Draws(1, 0), Draws(2, 0));

        static int[] Draws(int seed, int row)
        {
            var sampler = new TokenSampler(new() { Temperature = 1, Seed = seed }, row, []);
            return [.. Enumerable.Range(0, 40).Select(_ => sampler.Next(Logits))];
        }
    }

    [TestMethod]
    [DataRow(new[] { 1, float.NaN, 2 }, "the logit of token 1: found NaN; expected a finite number.")]
    [DataRow(new[] { float.NaN, 1, 2 }, "the logit of token 0: found NaN; expected a finite number.")]
    [DataRow(new[] { 1, 2, float.PositiveInfinity }, "the logit of token 2: found Infinity; expected a finite number.")]
    [DataRow(new[] { float.NegativeInfinity, float.NegativeInfinity }, "the logit of token 0: found -Infinity; expected a finite number.")]
    public void Next_UnusableLogits_AreRefused(float[] logits, string message)
    {
        foreach (var temperature in new[] { 0.0, 1 })
        {
            var thrown = Assert.ThrowsExactly<NlftException>(() => Next(new() { Temperature = temperature }, logits));
            Assert.AreEqual($"{message} Check the model folder's weights and the adapter: the network's output cannot be used.", thrown.Message);
        }
    }

    [TestMethod]
    public void Next_TinyTemperature_IsGreedy() =>
        Assert.AreEqual(1, Next(new() { Temperature = 1e-300 }, Logits));

    [TestMethod]
    public void Next_FrequencyAndPresencePenalties_CountTheAnswerOnly()
    {
        // Greedy among 3, 2.4 and 0: with presence 1 the first falls to 2 once taken, then the second to 1.4, and no further.
        var presence = new TokenSampler(new() { PresencePenalty = 1 }, 0, [0, 0, 1]);
        CollectionAssert.AreEqual(new[] { 0, 1, 0, 0 }, Enumerable.Range(0, 4).Select(_ => presence.Next([3, 2.4f, 0])).ToArray());
        // With frequency 1 each occurrence counts: 3, 2.4, 2, 1.4, 1, 0.4, 0, and then the third's -0.1 is the largest.
        var frequency = new TokenSampler(new() { FrequencyPenalty = 1 }, 0, [0, 0, 1]);
        CollectionAssert.AreEqual(new[] { 0, 1, 0, 1, 0, 1 }, Enumerable.Range(0, 6).Select(_ => frequency.Next([3, 2.4f, -0.1f])).ToArray());
        Assert.AreEqual(0, frequency.Next([3, 2.4f, -0.1f]));
        Assert.AreEqual(2, frequency.Next([3, 2.4f, -0.1f]));
    }
}
