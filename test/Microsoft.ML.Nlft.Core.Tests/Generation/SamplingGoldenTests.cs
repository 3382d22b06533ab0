using System.Text.Json;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tests.Objectives;

namespace Microsoft.ML.Nlft.Tests.Generation;

/// <summary>
/// Checks the distributions of golden/objectives/sampling.json, those of transformers' processors in their order, to 2e-5: the logits of an engine
/// are float32. Penalties of presence and frequency count the answer, which there is all there is.
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class SamplingGoldenTests
{
    private const string Vectors = "sampling.json";

    private const double Tolerance = 2e-5;

    public static IEnumerable<object[]> Cases => ObjectiveGoldens.Cases(Vectors, c => ObjectiveGoldens.HasOnly(c.GetProperty("options"),
        "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"));

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Weigh_GoldenCase_GivesItsDistribution(string id)
    {
        if (ObjectiveGoldens.Find(Vectors, id) is not { } found) return;
        var (c, input) = found;
        var (options, history) = (Options(c.GetProperty("options")), input.GetProperty("history").Ints());
        var logits = Array.ConvertAll(ObjectiveGoldens.Flat(input.GetProperty("logits")), z => (float)z);
        var countsAnswer = options.PresencePenalty != 0 || options.FrequencyPenalty != 0;
        var sampler = new TokenSampler(options, 0, countsAnswer ? [] : history);
        foreach (var token in countsAnswer ? history : []) Assert.AreEqual(token, sampler.Next(Certain(token, logits.Length)));

        var weights = new double[logits.Length];
        sampler.Weigh(logits, weights);
        var probabilities = Array.ConvertAll(weights, weight => weight / weights.Sum());
        double[] expected = c.Doubles("probabilities"), kept = c.Doubles("kept");
        if (options.TopP < 1) // which of equals stay is a matter of their order
        {
            Array.Sort(expected);
            probabilities = [.. probabilities.Order()];
            Array.Sort(kept);
        }
        ObjectiveGoldens.AreClose(expected, probabilities, Tolerance, id);
        // A token that is kept may be too unlikely for a float64 number.
        for (var i = 0; i < kept.Length; i++) Assert.AreEqual(kept[i] == 1 && expected[i] > 0, probabilities[i] > 0, $"{id}[{i}]");
    }

    private static float[] Certain(int token, int vocabulary) =>
        [.. Enumerable.Range(0, vocabulary).Select(id => id == token ? 0 : float.NegativeInfinity)];

    private static GenerationOptions Options(JsonElement given)
    {
        var options = new GenerationOptions { Temperature = 1 };
        foreach (var option in given.EnumerateObject())
        {
            var value = option.Value.GetDouble();
            options = option.Name switch
            {
                "temperature" => options with { Temperature = value },
                "top_k" => options with { TopK = (int)value },
                "top_p" => options with { TopP = value },
                "min_p" => options with { MinP = value },
                "repetition_penalty" => options with { RepetitionPenalty = value },
                "presence_penalty" => options with { PresencePenalty = value },
                "frequency_penalty" => options with { FrequencyPenalty = value },
                _ => throw new InvalidDataException($"unknown option {option.Name}"),
            };
        }
        options.Validate();
        return options;
    }
}
