using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>Converts the cases of golden/nlft to rows of a map.</summary>
internal static class GoldenCases
{
    /// <summary>All cases; empty without the shared test data.</summary>
    public static IReadOnlyList<JsonElement> Read() => !Directory.Exists(Fixtures.Path_("golden", "nlft")) ? [] :
    [
        .. Directory.GetFiles(Fixtures.Path_("golden", "nlft"), "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(file => JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(file)))
            .SelectMany(root => (root.ValueKind == JsonValueKind.Array ? root : root.GetProperty("cases")).EnumerateArray())
            .Where(one => one.TryGetProperty("hyper", out _)),
    ];

    /// <summary>The names of the constants on the page.</summary>
    public static Dictionary<string, double> Options(JsonElement one) =>
        one.GetProperty("hyper").EnumerateObject().ToDictionary(constant => constant.Name switch
    {
        "ratio_base" => nameof(NaturalLanguageObjectiveOptions.SalientRatioToBase),
        "ratio_std" => nameof(NaturalLanguageObjectiveOptions.SalientRatioToStandard),
        "judge_floor" => nameof(NaturalLanguageObjectiveOptions.MinimumJudgeProbability),
        "sigmoid_center" => nameof(NaturalLanguageObjectiveOptions.SalientWeightCenter),
        "salient_share" => nameof(NaturalLanguageObjectiveOptions.MaximumSalientShare),
        "std_power" => nameof(NaturalLanguageObjectiveOptions.IncorrectOrdinaryExponent),
        "tau" => nameof(NaturalLanguageObjectiveOptions.SalientLevel),
        "sal_power" => nameof(NaturalLanguageObjectiveOptions.CorrectSalientExponent),
        "clu_power" => nameof(NaturalLanguageObjectiveOptions.CorrectNeighbourExponent),
        "ord_power" => nameof(NaturalLanguageObjectiveOptions.CorrectOrdinaryExponent),
        "cluster_distance" => nameof(NaturalLanguageObjectiveOptions.ClusterThreshold),
        "zero_guard" => nameof(NaturalLanguageObjectiveOptions.ZeroGuard),
        "multiplier" => nameof(NaturalLanguageObjectiveOptions.Scale),
        _ => throw new InvalidDataException($"unknown constant {constant.Name}"),
    }, constant => constant.Value.GetDouble());

    public static SaliencyMap Map(IReadOnlyList<JsonElement> cases)
    {
        var seen = cases.Select(See).ToList();
        var rows = cases.Select(one => new TrainingExample
        {
            Question = "?", Response = "!", Answer = "!", Judgment = one.GetProperty("polarity").GetInt32() == 1 ? null : "wrong",
            Source = one.GetProperty("id").GetString()!,
        }).ToList();
        return SaliencyMap.Create("golden", new(), rows, [new RecordedEpoch(0, seen)], id => $"t{id} ");
    }

    private static ExampleSaliency See(JsonElement one)
    {
        var input = one.GetProperty("input");
        double[] Logs(string name) => [.. input.GetProperty(name).EnumerateArray().Select(p => Math.Log(p.GetDouble()))];
        var correct = one.GetProperty("polarity").GetInt32() == 1;
        var scores = new ExampleScores
        {
            Polarity = correct ? Polarity.Correct : Polarity.Incorrect,
            Base = Logs("p_base"),
            Judge = correct ? [] : Logs("p_judge"),
            Standard = Logs("p_standard"),
            HiddenStates = (float[])[.. from row in input.GetProperty("hidden")
                .EnumerateArray() from x in row.EnumerateArray() select (float)x.GetDouble()],
        };
        var result = new NaturalLanguageObjective().Evaluate(scores);
        var objective = new NaturalLanguageObjective(
            new() { ClusterThreshold = one.GetProperty("hyper").GetProperty("cluster_distance").GetDouble() });
        return ExampleSaliency.Of(objective, scores, [.. Enumerable.Range(0, scores.Base.Length)]) with
        {
            Saliency = result.Tokens, Loss = result.Loss,
        };
    }
}
