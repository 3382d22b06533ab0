using Microsoft.Extensions.AI;
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
    public async Task Transform_WhileChatting_IsSerialized()
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
        options.Engine = null;
        options.Training = options.Training with { LearningRate = 0.2 };
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
}
