using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tests.Grammars;

namespace Microsoft.ML.Nlft.Tests.Generation;

/// <summary>Answers by a schema satisfy it, and leave everything else as it is.</summary>
[TestClass]
public sealed class GrammarAnswerTests : IDisposable
{
    private const string Schema = """
        { "type": "object", "required": ["name", "age"], "additionalProperties": false, "properties": {
            "name": { "type": "string", "maxLength": 8 }, "age": { "type": "integer", "minimum": 0, "maximum": 150 },
            "tags": { "type": "array", "items": { "enum": ["a", "ab", "é"] }, "maxItems": 3 } } }
        """;

    private readonly ByteModelFolder _folder = new();
    private readonly LocalModel _model;

    public GrammarAnswerTests() => _model = LocalModel.Load(_folder.Path);

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [TestMethod]
    public void Answer_Schema_IsAlwaysSatisfied()
    {
        var options = new GenerationOptions { JsonSchema = JsonElement.Parse(Schema), Temperature = 2, MaximumNewTokens = 300, StopStrings = ["\""] };
        var answers = _model.Answer([.. Enumerable.Range(0, 40).Select(i => $"Who is {i}?")], options);
        foreach (var answer in answers)
        {
            Assert.AreEqual(FinishReason.Stop, answer.FinishReason, answer.Text);
            GrammarWriter.AssertValid(answer.Text, JsonNode.Parse(Schema)!);
        }
        Assert.IsGreaterThan(30, answers.Select(answer => answer.Text).Distinct().Count());
        var cut = _model.Answer(["Who?"], options with { MaximumNewTokens = 5 })[0];
        Assert.AreEqual(FinishReason.Length, cut.FinishReason);
        Assert.HasCount(5, cut.Tokens);
    }

    [TestMethod]
    public void Answer_Schema_RenormalisesTheModelsDistribution()
    {
        var options = new GenerationOptions { JsonSchema = JsonElement.Parse("""{ "enum": [1, 2] }"""), Temperature = 1, MaximumNewTokens = 1,
            TopLogProbabilities = 20, LogProbabilities = true };
        var free = _model.Answer(["x"], options with { JsonSchema = null })[0];
        var counts = new Dictionary<string, int>();
        double first = 0, second = 0;
        for (var seed = 0; seed < 600; seed++)
        {
            var answer = _model.Answer(["x"], options with { Seed = seed })[0];
            CollectionAssert.AreEqual(free.TopLogProbabilities![0].ToArray(), answer.TopLogProbabilities![0].ToArray(), "those of the model");
            counts[answer.Text] = counts.GetValueOrDefault(answer.Text) + 1;
            if (answer.Text == "1") first = Math.Exp(answer.LogProbabilities![0]);
            if (answer.Text == "2") second = Math.Exp(answer.LogProbabilities![0]);
        }
        // White space may come first too, so only the ratio is compared.
        var (share, expected) = (counts["1"] / (double)(counts["1"] + counts["2"]), first / (first + second));
        Assert.AreEqual(expected, share, 4 * Math.Sqrt(expected * (1 - expected) / (counts["1"] + counts["2"])));
    }

    [TestMethod]
    public void Extend_OtherRowsOfTheBatch_StayTheSameToTheBit()
    {
        var free = new GenerationOptions { MaximumNewTokens = 30, Temperature = 1, LogProbabilities = true };
        var bound = free with { JsonSchema = JsonElement.Parse(Schema) };
        var prompt = _model.Prompts.EncodeQuestion("What is 2 + 3?");
        GeneratedText[] Batch(GenerationOptions middle)
        {
            DecodingRow[] rows = [.. new[] { free, middle, free }.Select((options, i) => _model.Generator.CreateRow(prompt, options, i))];
            _model.Generator.Extend(rows, null, default);
            return [.. rows.Select(row => row.Result())];
        }
        var (mixed, alike) = (Batch(bound), Batch(free));
        Assert.AreNotEqual(alike[1].Text, mixed[1].Text);
        foreach (var row in (int[])[0, 2])
        {
            CollectionAssert.AreEqual(alike[row].Tokens.ToArray(), mixed[row].Tokens.ToArray());
            CollectionAssert.AreEqual(alike[row].LogProbabilities!.ToArray(), mixed[row].LogProbabilities!.ToArray());
        }
        var alone = _model.GeneratePart([prompt], bound, firstRow: 1)[0];
        CollectionAssert.AreEqual(alone.Tokens.ToArray(), mixed[1].Tokens.ToArray());
    }

    [TestMethod]
    public void Validate_UnsupportedSchema_IsRefused() =>
        Assert.AreEqual("option JsonSchema, \"not\"", Assert.ThrowsExactly<NlftException>(() =>
            new GenerationOptions { JsonSchema = JsonElement.Parse("""{ "not": {} }""") }.Validate()).Subject);

    [TestMethod]
    public void Save_SettingsWithASchema_ComeBack()
    {
        using var saved = new TemporaryFolder();
        _model.Save(saved.Path, new() { Generation = new() { JsonSchema = JsonElement.Parse(Schema) } });
        using var again = LocalModel.Load(saved.Path);
        Assert.IsTrue(JsonElement.DeepEquals(JsonElement.Parse(Schema), again.Description!.Settings.Generation.JsonSchema!.Value));
    }
}
