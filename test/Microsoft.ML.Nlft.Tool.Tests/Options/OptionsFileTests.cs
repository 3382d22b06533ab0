using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tool.Options;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tool.Tests.Options;

[TestClass]
public sealed class OptionsFileTests
{
    [TestMethod]
    public void Load_Keys_ArePropertyNames()
    {
        var options = Read("""
            {
              // comments and trailing commas are welcome
              "FineTune": { "Epochs": 3, "Schedule": "Linear", "Optimizer": { "MaximumGradientNorm": "Infinity" } },
              "lora": { "rank": 4, "TargetModules": ["q_proj"], "Layers": [0, 1], "RankPattern": { "up_proj": 2 } },
              "Objective": { "ClusterRule": "None", "CorrectLikelihood": false },
              "Generation": { "StopStrings": ["\n\n"] },
            }
            """);

        Assert.AreEqual(3, options.FineTune.Epochs);
        Assert.AreEqual(LearningRateSchedule.Linear, options.FineTune.Schedule);
        Assert.AreEqual(double.PositiveInfinity, options.FineTune.Optimizer.MaximumGradientNorm);
        Assert.AreEqual(4, options.Lora.Rank);
        CollectionAssert.AreEqual(new[] { "q_proj" }, options.Lora.TargetModules.ToArray());
        CollectionAssert.AreEqual(new[] { 0, 1 }, options.Lora.Layers!.ToArray());
        Assert.AreEqual(2, options.Lora.RankPattern["up_proj"]);
        Assert.AreEqual(ClusterRule.None, options.Objective.ClusterRule);
        Assert.IsFalse(options.Objective.CorrectLikelihood);
        CollectionAssert.AreEqual(new[] { "\n\n" }, options.Generation.StopStrings.ToArray());
        Assert.AreEqual(new FineTuneOptions().BatchSize, options.FineTune.BatchSize);
    }

    [TestMethod]
    [DataRow("""{ "FineTune": { "Epochz": 3 } }""", "FineTune.Epochz", "a key that is no option", "Did you mean Epochs?")]
    [DataRow("""{ "Training": {} }""", "Training", "a key that is no option", "Remove it.")]
    [DataRow("""{ "FineTune": { "Optimizer": { "Beta3": 3 } } }""", "FineTune.Optimizer.Beta3", "a key that is no option", "Did you mean Beta1?")]
    [DataRow("""{ "FineTune": { "ReturnPartialOnCancel": false } }""", "FineTune.ReturnPartialOnCancel", "a key that is no option", "Remove it.")]
    [DataRow("""{ "FineTune": { "Epochs": "3" } }""", "FineTune.Epochs", "\"3\"", "Correct the value.")]
    [DataRow("""{ "FineTune": { "Epochs": 1.5 } }""", "FineTune.Epochs", "1.5", "Correct the value.")]
    [DataRow("""{ "FineTune": { "Epochs": null } }""", "FineTune.Epochs", "null", "Correct the value.")]
    [DataRow("""{ "FineTune": { "Schedule": "Sine" } }""", "FineTune.Schedule", "\"Sine\"", "Correct the value.")]
    [DataRow("""{ "FineTune": { "Schedule": 1 } }""", "FineTune.Schedule", "1", "Correct the value.")]
    [DataRow("""{ "Prompts": { "BaseUser": null } }""", "Prompts.BaseUser", "null", "Correct the value.")]
    [DataRow("""{ "FineTune": [] }""", "FineTune", "[]", "Write it between braces.")]
    public void Load_UnknownKeyOrBadValue_NamesIt(string json, string place, string found, string remedy)
    {
        var error = Assert.ThrowsExactly<NlftException>(() => Read(json));

        Assert.EndsWith($"options.json, \"{place}\"", error.Subject);
        Assert.AreEqual(found, error.Found);
        Assert.AreEqual(remedy, error.Remedy);
    }

    [TestMethod]
    [DataRow("{ \"FineTune\": { \"Epochs\": 3 }\n  \"Lora\": {} }", ": found invalid JSON (line 2, column 3: ")]
    [DataRow("{ // one\n\"Lora\": {}, \"Lora\": {} }",
        ", \"Lora\": found the key twice, the second time in line 2, column 13; expected each key once.")]
    [DataRow("""{ "Lora": { "RankPattern": { "a": 1, "\u0061": 2 } } }""", ", \"Lora.RankPattern.a\": found the key twice")]
    [DataRow("""{ "Lora": {}, "lora": {} }""", ", \"lora\": found the property twice; expected each property once (names ignore case).")]
    [DataRow("""{ "Prompts": { "BaseUser": "\ud800" } }""", ", \"Prompts.BaseUser\": found half of a surrogate pair")]
    [DataRow("[]", ": found []; expected a JSON file with options: one JSON object. Correct the file.")]
    [DataRow("", ": found invalid JSON (line 1, column 1: ")]
    [DataRow("{\0}\0", ": found UTF-16 text; expected UTF-8 text. Save the file as UTF-8.")]
    public void Load_InvalidJson_NamesThePlace(string json, string message) =>
        Assert.Contains("options.json" + message, Assert.ThrowsExactly<NlftException>(() => Read(json)).Message);

    [TestMethod]
    public void Load_ByteOrderMark_IsSkipped() => Assert.AreEqual(3, Read("\uFEFF{ \"FineTune\": { \"Epochs\": 3 } }").FineTune.Epochs);

    [TestMethod]
    public void Save_WrittenOptions_LoadUnchanged()
    {
        var options = new ToolOptions
        {
            FineTune = new() { LearningRate = 1e-3, Refresh = ContextRefresh.Once },
            Lora = new() { Layers = [1], AlphaPattern = new Dictionary<string, double> { ["q_proj"] = 8.5 } },
            Prompts = new() { BaseUser = "{question}\n\"größer\"" },
        };
        var text = OptionsFile.Write(options);

        Assert.AreEqual(text, OptionsFile.Write(Read(text)));
        Assert.AreEqual(options.FineTune, Read(text).FineTune);
        Assert.AreEqual(options.Prompts, Read(text).Prompts with { TemplateVariables = options.Prompts.TemplateVariables });
    }

    private static ToolOptions Read(string json)
    {
        using var tool = new ToolRun();
        var options = new ToolOptions();
        OptionsFile.Read(tool.PathOf(tool.Write("options.json", json)), options);
        return options;
    }
}
