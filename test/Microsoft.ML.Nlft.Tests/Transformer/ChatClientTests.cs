using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Transformer;

[TestClass]
public sealed class ChatClientTests : ModelTest
{
    private string Folder => Disk.Beside("saved");

    [TestMethod]
    public async Task ATransformerChatsAsItAnswers_AndStaysOpen()
    {
        using var model = BaseModel();
        using (var client = model.AsChatClient())
        {
            var response = await client.GetResponseAsync("0 + 0?");
            Assert.AreEqual(Answers(model.Transform(Questions(1))).Single(), response.Text);
        }
        Assert.HasCount(2, Answers(model.Transform(Questions(2))));
    }

    [TestMethod]
    public async Task AChatAndATransformTakeTurnsOnTheModel()
    {
        using var model = BaseModel();
        using var client = model.AsChatClient();
        var expected = Answers(model.Transform(Questions(6)));
        var chats = Enumerable.Range(0, 6).Select(i => client.GetResponseAsync($"{i} + {i}?")).ToArray();
        CollectionAssert.AreEqual(expected, Answers(model.Transform(Questions(6))));
        CollectionAssert.AreEqual(expected, (await Task.WhenAll(chats)).Select(response => response.Text).ToArray());
    }

    [TestMethod]
    public async Task ASavedModelLoadsAsAChatClient_WithItsAdapterPromptsAndSettings()
    {
        var options = Options();
        (options.Engine, options.LearningRate) = (null, 0.05);
        options.Generation = new() { MaximumNewTokens = 9 };
        options.Prompts = new() { BaseUser = "Solve: {question}" };
        using var model = Fit(options);
        MLContext.Nlft().Save(model, Folder);
        var expected = Answers(model.Transform(Questions(1))).Single();

        using var client = MLContext.Nlft().LoadChatClient(Folder);
        var response = await client.GetResponseAsync("0 + 0?");
        Assert.AreEqual(expected, response.Text);
        Assert.AreEqual(9, response.Usage!.OutputTokenCount);
        Assert.AreEqual("saved", response.ModelId);
        using var untuned = MLContext.Nlft().LoadChatClient(Disk.Folder, new() { Generation = new() { MaximumNewTokens = 9 } });
        Assert.AreNotEqual(expected, (await untuned.GetResponseAsync("Solve: 0 + 0?")).Text);
    }

    [TestMethod]
    public async Task AMovedBaseModelIsNamed()
    {
        using (var model = BaseModel()) MLContext.Nlft().Save(model, Folder);
        var (was, now) = (Disk.Folder, Disk.Move("elsewhere"));
        Assert.AreEqual($"base model of {Folder}: found no folder {was}; expected the base model where it lay when the model was saved. Name its folder as BaseModelFolder.",
            Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().LoadChatClient(Folder)).Message);
        using var client = MLContext.Nlft().LoadChatClient(Folder, new() { BaseModelFolder = now, Engine = Engine });
        Assert.IsNotNull((await client.GetResponseAsync("x")).Text);
    }

    [TestMethod]
    public void AnotherBaseModelIsRefused()
    {
        using (var model = BaseModel()) MLContext.Nlft().Save(model, Folder);
        using var other = new ModelOnDisk(normEpsilon: 1e-4);
        using var opened = ModelFolder.Open(other.Folder);
        StringAssert.StartsWith(
            Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().LoadChatClient(Folder, new() { BaseModelFolder = other.Folder })).Message,
            $"base model in {other.Folder}: found fingerprint {opened.Fingerprint}; expected ");
    }

    [TestMethod]
    [DataRow("{", "found Expected depth to be zero")]
    [DataRow("null", "found null; expected a saved model of format 1. Save the model again, or use the version of the library that wrote it.")]
    [DataRow("""{"format":2,"baseModelPath":"","baseModelFingerprint":"","hasAdapter":false,"settings":{}}""", "found format 2; expected a saved model of format 1.")]
    [DataRow("""{"format":1}""", "missing required properties")]
    public void ADamagedDescriptionIsRefused(string json, string message)
    {
        Directory.CreateDirectory(Folder);
        File.WriteAllText(Path.Combine(Folder, "nlft.json"), json);
        var fault = Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().LoadChatClient(Folder)).Message;
        StringAssert.StartsWith(fault, $"{Path.Combine(Folder, "nlft.json")}: found ");
        StringAssert.Contains(fault, message);
    }
}
