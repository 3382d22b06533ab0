using System.Text.Json;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>
/// Checks the divergences of golden/objectives/kl.json, most of them by TRL's own functions: values at every position, coefficients, losses and
/// gradients to 1e-10 relative to max(1, |x|).
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class DivergenceGoldenTests
{
    private const double Tolerance = 1e-10;

    /// <summary>Least probability that TRL leaves the bucket.</summary>
    private static readonly double s_leastTail = -Math.Exp(-1e-7) + 1;

    public static IEnumerable<object[]> Cases => ObjectiveGoldens.Cases("kl.json", c => !ObjectiveGoldens.IsForeign(c)
        && (c.TryGetProperty("beta", out _) ? c.TryGetProperty("gkd", out _) : c.TryGetProperty("alpha", out _))
        && c.TryGetProperty("mode", out var mode) is var hasMode && (!hasMode || mode.GetString() != "sampled_token"));

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Of_GoldenCase_GivesItsValuesAndGradients(string id)
    {
        if (ObjectiveGoldens.Find("kl.json", id) is not { } found) return;
        var (c, input) = found;
        var alpha = (c.TryGetProperty("alpha", out var given) ? given : c.GetProperty("beta")).GetDouble();
        var temperature = c.TryGetProperty("temperature", out var t) ? t.GetDouble() : 1;
        double[][][] student = Scaled("student_logits"), teacher = Scaled("teacher_logits");
        var (tokens, mask) = (input.GetProperty("tokens").Integers(), input.GetProperty("mask").Integers());
        var row = c.TryGetProperty("row", out var only) ? only.GetInt32() : -1;
        var weights = Weights();
        var (loss, gradient, values) = (0.0, Array.ConvertAll(student, rows => Array.ConvertAll(rows, logits => new double[logits.Length])),
            Array.ConvertAll(student, rows => new double[rows.Length]));
        for (var b = 0; b < student.Length; b++)
        {
            for (var i = 0; i < student[b].Length; i++)
            {
                var (logP, logQ) = (ObjectiveGoldens.LogSoftmax(student[b][i]), ObjectiveGoldens.LogSoftmax(teacher[b][i]));
                var ids = Support(b, i, logP, logQ);
                double[] p = [.. ids.Select(k => logP[k])], q = [.. ids.Select(k => logQ[k])], coefficients = new double[ids.Length];
                values[b][i] = Divergence.Of(alpha, p, q, Tail(ids, logP, logQ), coefficients);
                // Over the whole vocabulary the coefficients are determined up to a multiple of p, and the gradient is checked.
                if (row == b && ids.Length < logP.Length && c.TryGetProperty("coefficients", out var expected))
                    ObjectiveGoldens.AreClose([.. expected[i].Doubles()], coefficients, Tolerance, $"{id}: coefficients at {i}");
                var factor = weights[b][i];
                if (c.TryGetProperty("is_clip", out var clip) && clip.ValueKind == JsonValueKind.Number)
                {
                    var ratio = logP[tokens[b][i]] - input.GetProperty("old_logprobs")[b][i].GetDouble();
                    factor *= Math.Min(Math.Exp(Math.Clamp(ratio, -20, 20)), clip.GetDouble());
                }
                if (factor == 0) continue;
                loss += factor * values[b][i];
                var sum = coefficients.Sum();
                for (var k = 0; k < logP.Length; k++) gradient[b][i][k] += factor / temperature * sum * Math.Exp(logP[k]);
                for (var k = 0; k < ids.Length; k++) gradient[b][i][ids[k]] -= factor / temperature * coefficients[k];
            }
        }
        ObjectiveGoldens.AreClose([ObjectiveGoldens.Number(c.GetProperty("loss"))], [loss], Tolerance, $"{id}: loss");
        if (c.TryGetProperty("per_position", out var positions))
        {
            var wanted = row < 0 ? positions.EnumerateArray().SelectMany(line => line.EnumerateArray()) : positions.EnumerateArray();
            ObjectiveGoldens.AreClose([.. wanted.Select(ObjectiveGoldens.Number)], row < 0 ? [.. values.SelectMany(line => line)] : values[row],
                Tolerance, $"{id}: positions");
        }
        if (c.TryGetProperty("grad_logits", out var grad))
        {
            double[] all = [.. (row < 0 ? gradient : [gradient[row]]).SelectMany(rows => rows.SelectMany(line => line))];
            ObjectiveGoldens.AreClose(ObjectiveGoldens.Flat(grad), all, Tolerance, $"{id}: gradient");
        }

        double[][][] Scaled(string name) => [.. input.GetProperty(name).EnumerateArray().Select(rows => rows.EnumerateArray()
            .Select(logits => logits.EnumerateArray().Select(z => ObjectiveGoldens.Number(z) / temperature).ToArray()).ToArray())];

        // The mean over active positions; by the self-distillation trainers, the mean over rows of each row's mean.
        double[][] Weights()
        {
            var isByRow = c.TryGetProperty("add_tail", out _);
            var active = mask.Sum(line => line.Sum());
            return [.. mask.Select((line, b) => line.Select(flag => row >= 0 ? (b == row ? (double)flag / mask[row].Sum() : 0)
                : flag == 0 ? 0 : isByRow ? 1.0 / line.Sum() / mask.Length : 1.0 / active).ToArray())];
        }

        int[] Support(int b, int i, double[] logP, double[] logQ)
        {
            if (b == row) return c.GetProperty("ids")[i].EnumerateArray().Select(k => k.GetInt32()).ToArray();
            var support = c.GetProperty("support").GetString()!;
            if (!c.TryGetProperty("top_k", out var top) || top.ValueKind != JsonValueKind.Number) return [.. Enumerable.Range(0, logP.Length)];
            var by = support.StartsWith("student", StringComparison.Ordinal) ? logP : logQ;
            return [.. Enumerable.Range(0, logP.Length).OrderByDescending(k => by[k]).Take(top.GetInt32())];
        }

        (double, double)? Tail(int[] ids, double[] logP, double[] logQ)
        {
            if (row >= 0) // one bucket of the rest, summed from its members
                return ids.Length == logP.Length ? null : (Rest(logP), Rest(logQ));
            if (!c.TryGetProperty("add_tail", out var add) || !add.GetBoolean()) return null;
            return (Divergence.LogTail([.. ids.Select(k => logP[k])], s_leastTail), Divergence.LogTail([.. ids.Select(k => logQ[k])], s_leastTail));

            double Rest(double[] log) => Math.Log(Enumerable.Range(0, log.Length).Except(ids).Sum(k => Math.Exp(log[k])));
        }
    }
}
