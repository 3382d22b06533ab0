using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tests.Common;

/// <summary>JSON by generated metadata is that of reflection, and files that lack properties are read with the defaults.</summary>
[TestClass]
public sealed class GeneratedJsonTests
{
    private static readonly JsonSerializerOptions s_reflection = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    [TestMethod]
    public void Save_Description_WritesWhatReflectionWrites()
    {
        using var folder = new TemporaryFolder();
        var description = new LocalModelDescription
        {
            BaseModelPath = "/models/ä", BaseModelFingerprint = "f", HasAdapter = true,
            Settings = new()
            {
                Generation = new() { StopStrings = ["<end>"], Temperature = 0.1 },
                Prompts = new()
                {
                    TemplateVariables = new Dictionary<string, object?>
                    {
                        ["flag"] = true, ["number"] = 3, ["share"] = 0.25, ["name"] = "ü", ["none"] = null, ["list"] = new[] { 1, 2 },
                        ["map"] = new Dictionary<string, int> { ["a"] = 1 }, ["json"] = JsonElement.Parse("""{"b": [1.50, "x"]}"""),
                    },
                },
            },
            Card = new ModelCard
            {
                BaseModel = "base", Date = new DateOnly(2025, 1, 2), Data = new(1, 2, ["a.csv"]), Options = [new("LoRA", "Rank", "8")],
                Validation = new(1, 2, 3, 0.5, double.Epsilon, null) { Accuracy = 0.5 }, Evaluation = new("test", 1, 2, 3),
            },
        };
        description.Save(folder.Path);
        Assert.AreEqual(JsonSerializer.Serialize(description, s_reflection) + "\n",
            File.ReadAllText(Path.Combine(folder.Path, LocalModelDescription.FileName)));
    }

    [TestMethod]
    public void Load_DescriptionWithoutOptionalKeys_HasTheDefaults()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(Path.Combine(folder.Path, LocalModelDescription.FileName), """
            { "baseModelPath": "/m", "baseModelFingerprint": "f", "hasAdapter": false, "card": { "baseModel": "b" },
              "settings": { "generation": { "temperature": 0.5 }, "prompts": { } } }
            """);
        var description = LocalModelDescription.Load(folder.Path);
        Assert.AreEqual(1, description.Format);
        Assert.AreEqual("Question", description.Settings.QuestionColumnName);
        Assert.AreEqual(new GenerationOptions().MaximumNewTokens, description.Settings.Generation.MaximumNewTokens);
        Assert.AreEqual(0.5, description.Settings.Generation.Temperature);
        Assert.IsEmpty(description.Settings.Generation.StopStrings);
        Assert.AreEqual(new PromptOptions().BaseUser, description.Settings.Prompts.BaseUser);
        Assert.IsEmpty(description.Settings.Prompts.TemplateVariables);
        CollectionAssert.AreEqual(new[] { "nlft" }, description.Card!.Tags.ToArray());
    }

    [TestMethod]
    public void Write_ValueOfAnotherType_IsRefused()
    {
        using var writer = new Utf8JsonWriter(new MemoryStream());
        Assert.AreEqual("a value to be written as JSON: found a System.Object; expected null, a boolean, a number, a text, JSON, a dictionary "
            + "or a list. Convert the value first.",
            Assert.ThrowsExactly<NlftException>(() => JsonValueConverter.Write(writer, new object())).Message);
    }
}
