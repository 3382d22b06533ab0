using System.ClientModel;
using System.ClientModel.Primitives;
using OpenAI;
using OpenAI.Chat;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>OpenAI's own client for .NET works with the server.</summary>
[TestClass]
public sealed class OpenAIClientTests
{
    private static RunningServer _server = null!;
    private static OpenAIClient _openAI = null!;

    private static ChatClient Chat => _openAI.GetChatClient("tiny");

    [ClassInitialize]
    public static async Task StartAsync(TestContext _)
    {
        _server = await RunningServer.StartAsync(apiKey: "secret");
        _openAI = new(new ApiKeyCredential("secret"), new()
        {
            Endpoint = new Uri(_server.Address, "/v1"), RetryPolicy = new ClientRetryPolicy(maxRetries: 0),
        });
    }

    [ClassCleanup]
    public static async Task StopAsync() => await _server.DisposeAsync();

    [TestMethod]
    public async Task CompleteChat_Question_ReturnsTheAnswer()
    {
        var expected = _server.Model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 9, LogProbabilities = true, TopLogProbabilities = 2 })[0];
        ChatCompletion answer = await Chat.CompleteChatAsync([new UserChatMessage("What is 2 + 3?")], new()
        {
            MaxOutputTokenCount = 9, Temperature = 0, IncludeLogProbabilities = true, TopLogProbabilityCount = 2, EndUserId = "me",
        });
        Assert.AreEqual(expected.Text, answer.Content[0].Text);
        Assert.AreEqual(ChatFinishReason.Length, answer.FinishReason);
        Assert.AreEqual(expected.PromptTokens, answer.Usage.InputTokenCount);
        Assert.AreEqual(9, answer.Usage.OutputTokenCount);
        Assert.AreEqual(expected.LogProbabilities![4], answer.ContentTokenLogProbabilities[4].LogProbability, 1e-6);
        Assert.HasCount(2, answer.ContentTokenLogProbabilities[4].TopLogProbabilities);
    }

    [TestMethod]
    public async Task CompleteChatStreaming_Conversation_StreamsTheAnswer()
    {
        ChatMessage[] messages =
        [
            new SystemChatMessage("Be brief."), new UserChatMessage("1?"), new AssistantChatMessage("2"), new UserChatMessage("3?"),
        ];
#pragma warning disable OPENAI001 // Seed is marked as a preview
        var options = new ChatCompletionOptions { MaxOutputTokenCount = 30, Temperature = 1, Seed = 4 };
#pragma warning restore OPENAI001
        ChatCompletion whole = await Chat.CompleteChatAsync(messages, options);
        var (text, usage) = ("", (ChatTokenUsage?)null);
        await foreach (var update in Chat.CompleteChatStreamingAsync(messages, options))
        {
            text += string.Concat(update.ContentUpdate.Select(part => part.Text));
            usage = update.Usage ?? usage;
        }
        Assert.AreEqual(whole.Content[0].Text, text);
        Assert.AreEqual(whole.Usage.TotalTokenCount, usage!.TotalTokenCount);
    }

    [TestMethod]
    public async Task CompleteChat_Refused_ThrowsWithTheReason()
    {
        var refusal = await Assert.ThrowsExactlyAsync<ClientResultException>(() => Chat.CompleteChatAsync([new UserChatMessage("x")], new()
        {
            Temperature = 7e9f, StopSequences = { "" },
        }));
        Assert.AreEqual(400, refusal.Status);
        StringAssert.Contains(refusal.Message, "option StopStrings: found \"\"; expected texts of one character or more.");
        refusal = await Assert.ThrowsExactlyAsync<ClientResultException>(() => _openAI.GetChatClient("gpt-x").CompleteChatAsync("x"));
        Assert.AreEqual(404, refusal.Status);
        StringAssert.Contains(refusal.Message, "There is no model 'gpt-x' here; there is 'tiny'.");
    }

    [TestMethod]
    public async Task GetModels_Server_ListsTheModel()
    {
        var models = (await _openAI.GetOpenAIModelClient().GetModelsAsync()).Value;
        Assert.AreEqual("tiny", models.Single().Id);
        Assert.AreEqual("tiny", (await _openAI.GetOpenAIModelClient().GetModelAsync("tiny")).Value.Id);
    }
}
