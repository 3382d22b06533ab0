using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>
/// Checks Natural Language Fine-Tuning with golden/objectives/nlft.json: masks, weights, terms, losses, coefficients and gradients of the definition
/// and of the authors' functions to 1e-10 relative to max(1, |x|).
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class NaturalLanguageGoldenTests
{
    private const string Vectors = "nlft.json";

    private const double Tolerance = 1e-10;

    public static IEnumerable<object[]> Cases => ObjectiveGoldens.Cases(Vectors, _ => true);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Evaluate_GoldenCase_GivesTheDefinitionAndTheAuthorsFunctions(string id)
    {
        if (ObjectiveGoldens.Find(Vectors, id) is not { } found) return;
        var (c, input) = found;
        var source = input.ValueKind == JsonValueKind.Undefined ? c : input;
        var isCorrect = source.GetProperty("polarity").GetInt32() == 1;
        var scores = new ExampleScores
        {
            Polarity = isCorrect ? Polarity.Correct : Polarity.Incorrect,
            Base = Logs("base"),
            Judge = isCorrect ? [] : Logs("judge"),
            Standard = Logs("standard"),
            HiddenStates = Array.ConvertAll(ObjectiveGoldens.Flat(source.GetProperty("hidden")), x => (float)x),
        };
        var (result, n) = (new NaturalLanguageObjective().Evaluate(scores), scores.Base.Length);
        var tokenTerm = new NaturalLanguageObjective(new() { CorrectLikelihood = false }).Evaluate(scores);
        var scale = new NaturalLanguageObjectiveOptions().Scale;
        var isSalient = result.Tokens.Select(token => token.Role == TokenRole.Salient).ToArray();
        double[] salient = [.. isSalient.Select(flag => flag ? 1.0 : 0)],
            cluster = [.. result.Tokens.Select(token => token.Role == TokenRole.Ordinary ? 0.0 : 1)];
        Same(c, "salient", salient);
        Same(c, "cluster", cluster);
        Same(c, "salient_share", salient.Average());
        Same(c, "weights", [.. result.Tokens.Select(token => token.Weight)]);
        Same(c, "token_term", tokenTerm.Loss / scale);
        if (isCorrect) Same(c, "likelihood_term", new LikelihoodObjective().Evaluate(scores).Loss);
        Same(c, "loss", result.Loss);

        // Where b = 0 on an ordinary token, the guarded term is constant, as in the authors' code.
        double[] coefficients = [.. c.Doubles("coefficients")];
        for (var t = 0; t < n; t++)
            if (double.IsNegativeInfinity(scores.Base[t]) && !(isSalient[t] && !isCorrect)) coefficients[t] = isCorrect ? scale / n : 0;
        ObjectiveGoldens.AreClose(coefficients, result.Coefficients, Tolerance, $"{id}: coefficients");
        Same(c, "grad_logits_base", Gradient());

        var authors = c.GetProperty("authors_code");
        if (authors.TryGetProperty("error", out _)) return;
        Same(authors, "token_term", tokenTerm.Loss / scale);
        Same(authors, "salient", salient);
        Same(authors, "cluster", cluster);
        Same(authors, "token_coefficients_times_10", [.. tokenTerm.Coefficients.Select(coefficient => coefficient / scale * 10)]);
        Same(authors, "grad_base_row_at_response", Gradient());
        var misaligned = authors.TryGetProperty("misaligned_likelihood_term", out var term) && term.ValueKind == JsonValueKind.Number
            ? 10 * term.GetDouble() : 0;
        Same(authors, "forward_loss", result.Loss + misaligned);

        double[] Logs(string context)
        {
            if (!source.TryGetProperty($"logits_{context}", out var logits))
                return Array.ConvertAll(source.Doubles($"probabilities_{context}"), Math.Log);
            var targets = source.GetProperty("targets").Ints();
            return [.. ObjectiveGoldens.Rows(logits).Select((line, t) => ObjectiveGoldens.LogSoftmax(line)[targets[t]])];
        }

        double[] Gradient()
        {
            if (!source.TryGetProperty("logits_base", out var logits)) return [];
            var targets = source.GetProperty("targets").Ints();
            return [.. ObjectiveGoldens.Rows(logits).SelectMany((line, t) => ObjectiveGoldens.LogSoftmax(line)
                .Select((log, k) => result.Coefficients[t] * (Math.Exp(log) - (k == targets[t] ? 1 : 0))))];
        }

        void Same(JsonElement parent, string name, params double[] values)
        {
            if (parent.TryGetProperty(name, out var expected))
                ObjectiveGoldens.AreClose(ObjectiveGoldens.Flat(expected), values, Tolerance, $"{id}: {name}");
        }
    }
}
