using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>
/// Checks every case of every vector file in golden/nlft: masks, weights, terms, totals and coefficients to 1e-12 relative to max(1, |x|).
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class GoldenVectorTests
{
    private const double Tolerance = 1e-12;

    [TestMethod]
    public void Evaluate_EveryGoldenCase_MatchesThePublishedCode()
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "nlft"))) Assert.Inconclusive($"no golden/nlft under {Fixtures.Root}");
        var (checkedCases, failures) = (0, new List<string>());
        foreach (var (name, testCase) in Cases())
        {
            checkedCases++;
            failures.AddRange(Check(testCase).Select(failure => $"{name}: {failure}"));
        }
        Assert.IsGreaterThan(0, checkedCases, "golden/nlft holds no case");
        Assert.IsEmpty(failures, string.Join("\n", failures));
        Console.WriteLine($"{checkedCases} golden cases");
    }

    private static IEnumerable<(string Name, JsonElement Case)> Cases()
    {
        foreach (var file in Directory.GetFiles(Fixtures.Path_("golden", "nlft"), "*.json", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal))
        {
            var root = JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(file));
            var cases = root.ValueKind == JsonValueKind.Array ? root : root.GetProperty("cases");
            foreach (var testCase in cases.EnumerateArray().Where(c => c.TryGetProperty("hyper", out _)))
            {
                yield return ($"{Path.GetFileName(file)} {testCase.GetProperty("id").GetString()}", testCase);
            }
        }
    }

    private static IEnumerable<string> Check(JsonElement c)
    {
        var (input, expected) = (c.GetProperty("input"), c.GetProperty("expected"));
        var options = Options(c.GetProperty("hyper"));
        var correct = c.GetProperty("polarity").GetInt32() == 1;
        var hidden = input.GetProperty("hidden").EnumerateArray().SelectMany(row => row.EnumerateArray());
        var scores = new ExampleScores
        {
            Polarity = correct ? Polarity.Correct : Polarity.Incorrect,
            Base = Logs(input.GetProperty("p_base")),
            Judge = correct ? [] : Logs(input.GetProperty("p_judge")),
            Standard = Logs(input.GetProperty("p_standard")),
            HiddenStates = (float[])[.. hidden.Select(x => (float)x.GetDouble())],
        };
        var n = c.GetProperty("n").GetInt32();
        var failures = new List<string>();
        void Same(string what, IReadOnlyList<double> wanted, IReadOnlyList<double> found)
        {
            if (wanted.Count != found.Count)
            {
                failures.Add($"{what}: {found.Count} values, {wanted.Count} wanted");
            }
            else
            {
                for (var t = 0; t < wanted.Count; t++)
                {
                    if (!(Math.Abs(wanted[t] - found[t]) <= Tolerance * Math.Max(1, Math.Abs(wanted[t]))))
                    {
                        failures.Add($"{what}[{t}] = {found[t]:R}, wanted {wanted[t]:R}");
                    }
                }
            }
        }

        // The token term alone: for a correct response the plain likelihood is switched off.
        var tokenOnly = new NaturalLanguageObjective(options with { CorrectLikelihood = false }).Evaluate(scores);
        var roles = tokenOnly.Tokens.Select(token => token.Role).ToArray();
        Same("salient", Numbers(expected.GetProperty("salient")), [.. roles.Select(role => role == TokenRole.Salient ? 1.0 : 0)]);
        Same("cluster", Numbers(expected.GetProperty("cluster")), [.. roles.Select(role => role == TokenRole.Ordinary ? 0.0 : 1)]);
        Same("n_salient", [expected.GetProperty("n_salient").GetInt32()], [roles.Count(role => role == TokenRole.Salient)]);
        Same("scale", Numbers(expected.GetProperty("scale")), [.. tokenOnly.Tokens.Select(token => token.Weight)]);
        Same("token_term", [Number(expected.GetProperty("token_term"))], [tokenOnly.Loss / options.Scale]);
        Same("total.token_only", [Number(expected.GetProperty("total").GetProperty("token_only"))], [tokenOnly.Loss]);
        Same("coef.token_only", Numbers(expected.GetProperty("coef").GetProperty("token_only")), tokenOnly.Coefficients);

        // The plain likelihood, guarded; unguarded it is infinite exactly when a probability is 0.
        var likelihood = new LikelihoodObjective(options.ZeroGuard).Evaluate(scores);
        Same("likelihood_term_guarded", [Number(expected.GetProperty("likelihood_term_guarded"))], [likelihood.Loss]);
        var unguarded = -scores.Base.Sum() / n;
        foreach (var (what, wanted, found) in new[] { ("likelihood_term", expected.GetProperty("likelihood_term"), unguarded),
            ("total.token_plus_likelihood", expected.GetProperty("total").GetProperty("token_plus_likelihood"),
                tokenOnly.Loss + options.Scale * unguarded) })
        {
            if (double.IsPositiveInfinity(Number(wanted)) != double.IsPositiveInfinity(found)) failures.Add($"{what} = {found:R}, wanted {wanted}");
            else if (double.IsFinite(found)) Same(what, [Number(wanted)], [found]);
        }

        // The sum of both. The objective includes it for a correct response; for an incorrect one, the test adds the two objectives.
        var both = new NaturalLanguageObjective(options).Evaluate(scores);
        var total = correct ? both.Loss : both.Loss + options.Scale * likelihood.Loss;
        var coefficients = correct ? both.Coefficients
            : [.. both.Coefficients.Zip(likelihood.Coefficients, (token, plain) => token + options.Scale * plain)];
        Same("total.token_plus_likelihood_guarded", [Number(expected.GetProperty("total").GetProperty("token_plus_likelihood_guarded"))], [total]);
        Same("coef.token_plus_likelihood", Numbers(expected.GetProperty("coef").GetProperty("token_plus_likelihood")), coefficients);
        if (!double.IsFinite(both.Loss) || !both.Coefficients.All(double.IsFinite)) failures.Add("not finite");

        if (!correct && double.IsFinite(Number(expected.GetProperty("judge_likelihood_term"))))
        {
            var judged = new NaturalLanguageObjective(options with { JudgeLikelihood = true }).Evaluate(scores);
            Same("judge likelihood", [tokenOnly.Loss + options.Scale * Number(expected.GetProperty("judge_likelihood_term"))], [judged.Loss]);
            Same("judge coefficients", [.. Enumerable.Repeat(options.Scale / n, n)], judged.JudgeCoefficients);
        }
        return failures;
    }

    private static NaturalLanguageObjectiveOptions Options(JsonElement hyper)
    {
        var options = new NaturalLanguageObjectiveOptions();
        foreach (var constant in hyper.EnumerateObject())
        {
            var value = constant.Value.GetDouble();
            options = constant.Name switch
            {
                "ratio_base" => options with { SalientRatioToBase = value },
                "ratio_std" => options with { SalientRatioToStandard = value },
                "judge_floor" => options with { MinimumJudgeProbability = value },
                "sigmoid_center" => options with { SalientWeightCenter = value },
                "salient_share" => options with { MaximumSalientShare = value },
                "std_power" => options with { IncorrectOrdinaryExponent = value },
                "tau" => options with { SalientLevel = value },
                "sal_power" => options with { CorrectSalientExponent = value },
                "clu_power" => options with { CorrectNeighbourExponent = value },
                "ord_power" => options with { CorrectOrdinaryExponent = value },
                "cluster_distance" => options with { ClusterThreshold = value },
                "zero_guard" => options with { ZeroGuard = value },
                "multiplier" => options with { Scale = value },
                _ => throw new InvalidDataException($"unknown constant {constant.Name}"),
            };
        }
        return options;
    }

    private static double[] Logs(JsonElement probabilities) => Array.ConvertAll(Numbers(probabilities), Math.Log);

    private static double[] Numbers(JsonElement array) => [.. array.EnumerateArray().Select(Number)];

    private static double Number(JsonElement value) => value.ValueKind == JsonValueKind.String && value.GetString() == "inf" ? double.PositiveInfinity
        : value.GetDouble();
}
