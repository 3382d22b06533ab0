using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tests.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Checks mean losses and token accuracy with golden/objectives/metrics.json; a perplexity is the exponential of a mean loss.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class MetricGoldenTests
{
    private const string Vectors = "metrics.json";

    private const double Tolerance = 1e-10;

    public static IEnumerable<object[]> Cases => ObjectiveGoldens.Cases(Vectors, c => c.TryGetProperty("perplexity_per_row", out _));

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Add_GoldenCase_GivesItsLossesAndAccuracy(string id)
    {
        if (ObjectiveGoldens.Find(Vectors, id) is not { } found) return;
        var c = found.Case;
        var mask = c.GetProperty("mask").Integers();
        EncodedExample[] rows = [.. c.GetProperty("targets").Integers().Zip(mask, (targets, line) =>
            new EncodedExample(Polarity.Correct, targets, [0], [], [], "row") { Counted = Array.ConvertAll(line, flag => flag == 1) })];
        var window = new TrainingWindow(rows, [.. Enumerable.Range(0, rows.Length)], 0, 1);
        var (metrics, losses) = (new WindowMetrics(), new double[rows.Length]);
        foreach (var (b, element) in c.GetProperty("logits").EnumerateArray().Index())
        {
            var (logits, targets) = (ObjectiveGoldens.Rows(element), rows[b].Response.ToArray());
            double[] logP = [.. logits.Select((line, t) => ObjectiveGoldens.LogSoftmax(line)[targets[t]])];
            var result = ObjectiveInput.Evaluate(new LikelihoodObjective(), rows[b],
                new ExampleScores { Polarity = Polarity.Correct, Base = logP }, id, "");
            bool[] mostLikely = [.. logits.Select((line, t) => Array.IndexOf(line, line.Max()) == targets[t])];
            metrics.Add(rows[b], result, new TokenScores(Array.ConvertAll(logP, log => (float)log), mostLikely, default),
                window.Weight(b, LossReduction.TokenMean));
            losses[b] = result.Loss;
        }
        Same("mean_nll_per_row", losses);
        Same("perplexity_per_row", Array.ConvertAll(losses, Math.Exp));
        Same("perplexity_of_all_tokens", Math.Exp(metrics.Loss));
        Same("token_accuracy", metrics.TokenAccuracy);
        Same("active", [.. rows.Select(row => (double)row.CountedTokens)]);

        void Same(string name, params double[] values)
        {
            if (c.TryGetProperty(name, out var expected))
                ObjectiveGoldens.AreClose(ObjectiveGoldens.Flat(expected), values, Tolerance, $"{id}: {name}");
        }
    }
}
