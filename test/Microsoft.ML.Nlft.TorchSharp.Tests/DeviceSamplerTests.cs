using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.TorchSharp.Layers;
using static Microsoft.ML.Nlft.Tests.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Tokens chosen on the device, against the definition of <see cref="TokenChoice"/>.</summary>
[TestClass]
public sealed class DeviceSamplerTests
{
    private const int Vocabulary = 300;

    /// <summary>Rows of every kind together choose what each chooses alone and what the definition says, ties of logits included.</summary>
    [TestMethod]
    public void Choose_RowsWithOptionsOfTheirOwn_FollowsTheDefinition()
    {
        var random = new Random(4);
        double[] temperatures = [0, 0.2, 1, 3], shares = [1, 0.9, 0.3], least = [0, 0.05, 0.9];
        int[] tops = [0, 1, 7, Vocabulary, 1000];
        var choices = (from temperature in temperatures from k in tops from p in shares from minimum in least
                       select new TokenChoice(temperature, k, p, minimum, random.NextDouble())).ToArray();
        // multiples of 1/4: many are equal
        var rows = Array.ConvertAll(choices, _ => Enumerable.Range(0, Vocabulary).Select(_ => random.Next(-40, 20) / 4f).ToArray());
        var expected = choices.Select((choice, i) => Oracle(rows[i], choice)).ToArray();
        CollectionAssert.AreEqual(expected, Choose(rows, choices));
        for (var i = 0; i < rows.Length; i += 7) Assert.AreEqual(expected[i], Choose([rows[i]], [choices[i]])[0], choices[i].ToString());
        Assert.IsGreaterThan(60, expected.Distinct().Count());
    }

    /// <summary>The ends of the range of random numbers, and a number that rounding brings to the total.</summary>
    [TestMethod]
    [DataRow(0.0, 1)]
    [DataRow(0.99999999999999989, 3)]
    public void Choose_AtTheEndsOfTheRange_TakesTheFirstAndTheLastToken(double uniform, int token)
    {
        float[] logits = [float.NegativeInfinity, 0, 0, 0, float.NegativeInfinity];
        Assert.AreEqual(token, Choose([logits], [new(1, 0, 1, 0, uniform)])[0]);
    }

    [TestMethod]
    [DataRow(float.NaN, 2)]
    [DataRow(float.PositiveInfinity, 2)]
    [DataRow(float.NegativeInfinity, 0)]
    public void Choose_LogitsThatAreNotFinite_Throws(float value, int token)
    {
        float[] logits = float.IsNegativeInfinity(value) ? [value, value, value] : [1, 2, value];
        foreach (var temperature in (double[])[0, 1])
        {
            var refused = Assert.ThrowsExactly<NlftException>(() => Choose([logits], [new(temperature, 0, 1, 0, 0.5)]));
            Assert.AreEqual($"the logit of token {token}", refused.Subject);
        }
    }

    /// <summary>A session chooses from its own logits, for the sequences that ask for it.</summary>
    [TestMethod]
    public void Session_SomeSequences_ChoosesFromTheirLogits()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.None);
        using var session = (IChoosingSession)model.StartDecoding([new[] { 1 }, new[] { 2, 3 }, new[] { 4 }], 4);
        TokenChoice greedy = new(0, 0, 1, 0, 0), drawn = new(0.7, 5, 1, 0, 0.6);
        for (var step = 0; step < 3; step++)
        {
            var chosen = session.Choose([greedy, null, drawn]);
            CollectionAssert.AreEqual((int[])[Oracle(session.Logits(0), greedy), -1, Oracle(session.Logits(2), drawn)], chosen);
            session.Append([chosen[0], 5, chosen[2]]);
        }
        CollectionAssert.AreEqual((int[])[-1, -1, -1], session.Choose([null, null, null]));
        Assert.ThrowsExactly<ArgumentException>(() => session.Choose([greedy]));
    }

    private static int[] Choose(float[][] rows, TokenChoice[] choices)
    {
        using var scope = NewDisposeScope();
        return DeviceSampler.Choose(tensor(rows.SelectMany(row => row).ToArray(), [rows.Length, rows[0].Length], device: Models.Device), choices);
    }

    private static int Oracle(ReadOnlySpan<float> logits, TokenChoice choice)
    {
        var z = logits.ToArray().Select(logit => (double)logit).ToArray();
        var best = Array.IndexOf(z, z.Max());
        if (choice.Temperature == 0) return best;
        if (choice.TopK > 0 && choice.TopK < z.Length)
        {
            var bound = z.OrderDescending().ElementAt(choice.TopK - 1);
            for (var i = 0; i < z.Length; i++) z[i] = z[i] < bound ? double.NegativeInfinity : z[i];
        }
        var weights = Array.ConvertAll(z, logit => Math.Exp((logit - z[best]) / choice.Temperature));
        if (choice.TopP < 1)
        {
            var (total, sum) = (weights.Sum(), 0.0);
            foreach (var id in Enumerable.Range(0, z.Length).OrderByDescending(id => weights[id]).ThenBy(id => id).ToArray())
            {
                var inside = sum < choice.TopP * total;
                sum += weights[id];
                if (!inside) weights[id] = 0;
            }
        }
        for (var i = 0; i < z.Length; i++) weights[i] = weights[i] < choice.MinP ? 0 : weights[i];
        var (all, passed) = (weights.Sum(), 0.0);
        for (var i = 0; i < z.Length; i++)
        {
            passed += weights[i];
            if (passed > choice.Uniform * all) return i;
        }
        return Array.FindLastIndex(weights, weight => weight > 0);
    }
}
