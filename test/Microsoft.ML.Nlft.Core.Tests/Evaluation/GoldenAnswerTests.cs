using System.Text.Json;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Tests.Evaluation;

[TestClass]
[TestCategory("Conformance")]
public sealed class GoldenAnswerTests
{
    [TestMethod]
    public void PublishedAnswers_EveryGoldenText_MatchThePublishedCode()
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "nlft"))) Assert.Inconclusive($"no golden/nlft under {Fixtures.Root}");
        var (checkedCases, failures) = (0, new List<string>());
        foreach (var testCase in Cases())
        {
            checkedCases++;
            var (id, text) = (testCase.GetProperty("id").GetString(), testCase.GetProperty("text").GetString()!);
            Same("clean_answer", AnswerExtraction.PublishedModelAnswer(text));
            Same("extract_answer_from_output", AnswerExtraction.PublishedGoldAnswer(text));

            void Same(string what, string? found)
            {
                var wanted = testCase.GetProperty(what).GetString();
                if (wanted != found) failures.Add($"{id}: {what} gave {found ?? "null"}, wanted {wanted ?? "null"}");
            }
        }
        Assert.IsGreaterThan(0, checkedCases, "golden/nlft holds no answer case");
        Assert.IsEmpty(failures, string.Join("\n", failures));
    }

    private static IEnumerable<JsonElement> Cases() =>
        from file in Directory.GetFiles(Fixtures.Path_("golden", "nlft"), "*.json", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
        from list in JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(file)).EnumerateObject()
        where list.Value.ValueKind == JsonValueKind.Array
        from testCase in list.Value.EnumerateArray()
        where testCase.TryGetProperty("clean_answer", out _)
        select testCase;
}
