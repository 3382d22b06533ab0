using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>Every message on the page is one that the library gives; the one about a CSV file is the tool's, and its tests ask for it.</summary>
[TestClass]
public sealed class TroubleshootingTests : Workplace
{
    private const string OfTheTool = "rows.csv, line 2, column 1: ";

    [TestMethod]
    public void Troubleshooting_Messages_AreTheLibrarys()
    {
        Directory.CreateDirectory("FOLDER");
        var messages = new List<string> { Message(() => ModelFolder.Open("FOLDER")) };
        Change("model/config.json", "FOLDER/config.json", json => json["model_type"] = "bert");
        messages.Add(Message(() => ModelFolder.Open("FOLDER")));
        messages.Add(Message(() => ChatTemplate.Parse("{% include 'x' %}")));
        using (var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora })) model.Save("SAVED");
        (LocalModelDescription.Load("SAVED") with
        {
            BaseModelName = "org/name",
            BaseModelRelativePath = "../base/name",
            BaseModelPath = "/elsewhere/name",
        }).Save("SAVED");
        messages.Add(Message(() => LocalModel.Load("SAVED", new() { Locator = new ModelLocator([], _ => null) })));
        Change("SAVED/adapter_config.json", "ADAPTER/adapter_config.json", json => json["use_qalora"] = true);
        messages.Add(Message(() => LoraAdapter.Load("ADAPTER")));
        File.WriteAllText("rows.jsonl", """{"Question": "2+3?", "Response": "2+3=6 6 6", "Judgment": "5", "Answer": "5"}""");
        using (var model = LocalModel.Load("model", new() { Prompts = new() { MaximumTokens = 8 } }))
            messages.Add(Message(() => model.Prompts.Encode(DataFile.ReadExamples("rows.jsonl")[0])));

        CollectionAssert.AreEqual(Pages.Blocks("docs/troubleshooting.md")
            .Where(block => block.Language == "text" && !block.Text.StartsWith(OfTheTool, StringComparison.Ordinal)).Select(block => block.Text)
            .ToArray(), messages);
    }

    /// <summary>The message, as it reads in this folder.</summary>
    private static string Message(Action action) =>
        Assert.ThrowsExactly<NlftException>(action).Message.Replace(Environment.CurrentDirectory + Path.DirectorySeparatorChar, "")
        .Replace('\\', '/');

    private static void Change(string from, string to, Action<JsonObject> change)
    {
        var json = JsonNode.Parse(File.ReadAllText(from))!.AsObject();
        change(json);
        Directory.CreateDirectory(Path.GetDirectoryName(to)!);
        File.WriteAllText(to, json.ToJsonString());
    }
}
