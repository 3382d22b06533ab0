using System.Text.Json;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Tests.Objectives;

namespace Microsoft.ML.Nlft.Tests.OnPolicy;

/// <summary>
/// Checks the arithmetic of proximal policy optimization with golden/objectives/ppo.json: advantages and whitening to 1e-10 relative to max(1, |x|),
/// and the losses and gradients of the authors of ReFT to 1e-6, because their statements round gamma and lambda to float32.
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class PolicyOptimizationGoldenTests
{
    private const double Tolerance = 1e-10, AuthorsTolerance = 1e-6;

    public static IEnumerable<object[]> Advantages => ObjectiveGoldens.Cases("ppo.json", c => Id(c).StartsWith("gae/", StringComparison.Ordinal));

    public static IEnumerable<object[]> Whitened => ObjectiveGoldens.Cases("ppo.json", c => Id(c).StartsWith("whiten/", StringComparison.Ordinal));

    public static IEnumerable<object[]> Losses => ObjectiveGoldens.Cases("ppo.json", c => Id(c).StartsWith("reft/", StringComparison.Ordinal));

    private static string Id(JsonElement c) => c.GetProperty("id").GetString()!;

    /// <summary>A masked position ends an episode: what is between two of them is a response of its own.</summary>
    [TestMethod]
    [DynamicData(nameof(Advantages))]
    public void Gae_GoldenCase_GivesItsAdvantages(string id)
    {
        if (ObjectiveGoldens.Find("ppo.json", id) is not { } found) return;
        var (c, input) = found;
        var masked = c.GetProperty("use_mask").GetBoolean();
        for (var b = 0; b < input.GetProperty("rewards").GetArrayLength(); b++)
        {
            double[] rewards = input.GetProperty("rewards")[b].Doubles(), values = input.GetProperty("values")[b].Doubles();
            var mask = masked ? input.GetProperty("mask")[b].Ints() : [.. rewards.Select(_ => 1)];
            var advantages = new double[rewards.Length];
            for (var (start, end) = (0, 0); start < mask.Length; start = end + 1)
            {
                for (end = start; end < mask.Length && mask[end] == 1; end++) { }
                if (end == start) continue;
                AdvantageEstimation.Gae(rewards[start..end], values[start..end], c.GetProperty("gamma").GetDouble(), c.GetProperty("lam").GetDouble())
                    .CopyTo(advantages, start);
            }
            ObjectiveGoldens.AreClose(c.GetProperty("advantages")[b].Doubles(), advantages, Tolerance, $"{id}, row {b}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Whitened))]
    public void Whiten_GoldenCase_GivesItsValues(string id)
    {
        if (ObjectiveGoldens.Find("ppo.json", id) is not { } found) return;
        var (c, input) = found;
        var isNamed = c.GetProperty("of").ValueKind == JsonValueKind.String;
        var given = isNamed ? input.GetProperty(c.GetProperty("of").GetString()!) : c.GetProperty("of");
        double[][] rows = [.. given.EnumerateArray().Select(row => row.Doubles())];
        int[][] masks = isNamed ? input.GetProperty("mask").Integers() : Array.ConvertAll(rows, row => Array.ConvertAll(row, _ => 1));
        var whitened = AdvantageEstimation.Whiten([.. rows.Select((row, b) => row.Where((_, i) => masks[b][i] == 1).ToArray())]);
        for (var b = 0; b < rows.Length; b++)
        {
            var expected = c.GetProperty("values")[b].Doubles().Where((_, i) => masks[b][i] == 1).ToArray();
            ObjectiveGoldens.AreClose(expected, whitened[b], Tolerance, $"{id}, row {b}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Losses))]
    public void Losses_OfTheAuthors_AreOurs(string id)
    {
        if (ObjectiveGoldens.Find("ppo.json", id) is not { } found) return;
        var (c, input) = found;
        var mask = c.GetProperty("mask").Integers();
        var tokens = input.GetProperty("token_ids").Integers();
        double Option(string name) => c.GetProperty(name).GetDouble();
        double[] Of(JsonElement row, int b) => [.. row[b].EnumerateArray().Take(mask[b].Length).Select(ObjectiveGoldens.Number)
            .Where((_, t) => mask[b][t] == 1)];
        double[] Input(string name, int b) => Of(input.GetProperty(name), b);
        double[][] rewards = [.. mask.Select((_, b) => AdvantageEstimation.Rewards(Input("old_logprobs", b), Input("reference_logprobs", b),
            input.GetProperty("correctness")[b].GetDouble(), Option("kl_coef")))];
        double[][] advantages = [.. rewards.Select((row, b) =>
            AdvantageEstimation.Gae(row, Input("old_values", b), Option("gamma"), Option("lam")))];
        var whitened = AdvantageEstimation.Whiten(advantages);
        var (policy, value) = (0.0, 0.0);
        for (var b = 0; b < mask.Length; b++)
        {
            ObjectiveGoldens.AreClose(Of(c.GetProperty("rewards"), b), rewards[b], AuthorsTolerance, $"{id}: rewards {b}");
            ObjectiveGoldens.AreClose(Of(c.GetProperty("advantages"), b), advantages[b], AuthorsTolerance, $"{id}: advantages {b}");
            ObjectiveGoldens.AreClose(Of(c.GetProperty("whitened_advantages"), b), whitened[b], AuthorsTolerance, $"{id}: whitened {b}");
            var (values, old, current) = (Input("old_values", b), Input("old_logprobs", b), Input("new_values", b));
            double[] returns = [.. advantages[b].Zip(values, (a, v) => a + v)];
            ObjectiveGoldens.AreClose(Of(c.GetProperty("returns"), b), returns, AuthorsTolerance, $"{id}: returns {b}");
            int[] at = [.. Enumerable.Range(0, mask[b].Length).Where(t => mask[b][t] == 1)];
            var share = 1.0 / (mask.Length * at.Length);
            for (var i = 0; i < at.Length; i++)
            {
                var logP = ObjectiveGoldens.LogSoftmax(input.GetProperty("logits")[b][at[i]].Doubles());
                var y = tokens[b][at[i] + 1];
                var term = ClippedLoss.Policy(logP[y], old[i], whitened[b][i], Option("cliprange"));
                var estimate = ClippedLoss.Value(current[i], values[i], returns[i], Option("cliprange_value"));
                (policy, value) = (policy + share * term.Loss, value + share * estimate.Loss);
                double[] gradient = [.. logP.Select((p, k) => share * term.Coefficient * (Math.Exp(p) - (k == y ? 1 : 0)))];
                var place = $"{id}: gradient {b}, {at[i]}";
                ObjectiveGoldens.AreClose(c.GetProperty("grad_logits")[b][at[i]].Doubles(), gradient, AuthorsTolerance, place);
                ObjectiveGoldens.AreClose([c.GetProperty("grad_values")[b][at[i]].GetDouble()], [Option("vf_coef") * share * estimate.Slope],
                    AuthorsTolerance, $"{place} of the value");
            }
        }
        double[] losses = [c.GetProperty("policy_loss").GetDouble(), c.GetProperty("value_loss").GetDouble(), c.GetProperty("loss").GetDouble()];
        ObjectiveGoldens.AreClose(losses, [policy, value, policy + Option("vf_coef") * value], AuthorsTolerance, $"{id}: losses");
    }
}
