using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>
/// Checks supervised and dynamic fine-tuning with golden/objectives/sft.json and dft.json: losses, weights, coefficients and gradients of whole
/// windows to 1e-10 relative to max(1, |x|).
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class LikelihoodGoldenTests
{
    private const string Supervised = "sft.json", Dynamic = "dft.json";

    private const double Tolerance = 1e-10;

    public static IEnumerable<object[]> SupervisedCases => ObjectiveGoldens.Cases(Supervised, c => !c.TryGetProperty("label_smoothing", out _));

    /// <summary>The cases of dft.json, without the one whose weights carry a gradient.</summary>
    public static IEnumerable<object[]> DynamicCases => ObjectiveGoldens.Cases(Dynamic, c => c.TryGetProperty("token_weight", out _));

    [TestMethod]
    [DynamicData(nameof(SupervisedCases))]
    public void Evaluate_SupervisedCase_GivesItsLossAndGradient(string id) => Check(Supervised, id, new LikelihoodObjective());

    [TestMethod]
    [DynamicData(nameof(DynamicCases))]
    public void Evaluate_DynamicCase_GivesItsLossAndGradient(string id) => Check(Dynamic, id, new DynamicObjective());

    private static void Check(string file, string id, ITokenObjective objective)
    {
        if (ObjectiveGoldens.Find(file, id) is not { } found) return;
        var (c, input) = found;
        var isByRow = c.TryGetProperty("normalisation", out var norm) && norm.GetString()!.StartsWith("row-mean", StringComparison.Ordinal);
        var rows = input.GetProperty("targets").Integers().Zip(input.GetProperty("mask").Integers(), Row).ToArray();
        var counted = Enumerable.Range(0, rows.Length).Where(b => rows[b].CountedTokens > 0).ToArray();
        if (counted.Length == 0)
        {
            Assert.AreEqual(0, c.GetProperty("loss").GetDouble(), id);
            Assert.ThrowsExactly<NlftException>(() => ExampleCheck.Validate(rows, objective, TinyModels.Configuration), id);
            return;
        }
        var window = Window(rows, counted, c);
        var (losses, gradient) = (new double[rows.Length], new List<double>());
        List<double> coefficients = [], weights = [];
        foreach (var (b, logits) in input.GetProperty("logits").EnumerateArray().Select(ObjectiveGoldens.Rows).Index())
        {
            var logP = Array.ConvertAll(logits, ObjectiveGoldens.LogSoftmax);
            var targets = rows[b].Response.ToArray();
            var share = counted.Contains(b) ? window.Weight(b, isByRow ? LossReduction.ExampleMean : LossReduction.TokenMean) : 0;
            var result = share == 0 ? null : ObjectiveInput.Evaluate(objective, rows[b],
                new ExampleScores { Polarity = Polarity.Correct, Base = [.. logP.Select((line, t) => line[targets[t]])] }, id, "");
            losses[b] = share * result?.Loss ?? 0;
            for (var t = 0; t < targets.Length; t++)
            {
                var coefficient = share * result?.Coefficients[t] ?? 0;
                coefficients.Add(coefficient);
                weights.Add(result?.Tokens[t].Weight ?? 0);
                gradient.AddRange(logP[t].Select((log, k) => coefficient * (Math.Exp(log) - (k == targets[t] ? 1 : 0))));
            }
        }
        ObjectiveGoldens.AreClose([c.GetProperty("loss").GetDouble()], [losses.Sum()], Tolerance, $"{id}: loss");
        ObjectiveGoldens.AreClose(ObjectiveGoldens.Flat(c.GetProperty("grad_logits")), [.. gradient], Tolerance, $"{id}: gradient");
        Compare("coefficient", coefficients);
        Compare("token_weight", weights);
        if (c.TryGetProperty("active", out var active)) Assert.AreEqual(active.GetInt32(), rows.Sum(row => row.CountedTokens), id);
        if (c.TryGetProperty("micro_batches", out var batches))
            ObjectiveGoldens.AreClose(c.Doubles("micro_losses"), [.. batches.Integers().Select(batch => batch.Sum(b => losses[b]))], Tolerance, id);

        void Compare(string name, List<double> values)
        {
            if (c.TryGetProperty(name, out var expected))
                ObjectiveGoldens.AreClose(ObjectiveGoldens.Flat(expected), [.. values], Tolerance, $"{id}: {name}");
        }
    }

    private static EncodedExample Row(int[] targets, int[] mask) =>
        new(Polarity.Correct, targets, [0], [], [], "row") { Counted = Array.ConvertAll(mask, flag => flag == 1) };

    /// <summary>
    /// The window of the rows in which a token counts. Where num_items is more than their tokens, they are some of its micro-batches: another row
    /// has the rest.
    /// </summary>
    private static TrainingWindow Window(EncodedExample[] rows, int[] counted, JsonElement c)
    {
        var rest = c.TryGetProperty("num_items", out var items) && items.ValueKind == JsonValueKind.Number
            ? items.GetInt32() - rows.Sum(row => row.CountedTokens) : 0;
        return rest == 0 ? new(rows, counted, 0, 1)
            : new([.. rows, new EncodedExample(Polarity.Correct, new int[rest], [0], [], [], "rest")], [.. counted, rows.Length], 0, 1);
    }
}
