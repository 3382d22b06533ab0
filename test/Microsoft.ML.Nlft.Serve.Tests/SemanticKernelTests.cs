using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>Semantic Kernel's OpenAI connector works with the server.</summary>
[TestClass]
public sealed class SemanticKernelTests
{
    private static RunningServer _server = null!;
    private static Kernel _kernel = null!;

    [ClassInitialize]
    public static async Task StartAsync(TestContext _)
    {
        _server = await RunningServer.StartAsync();
        _kernel = Kernel.CreateBuilder().AddOpenAIChatCompletion("tiny", new Uri(_server.Address, "/v1"), apiKey: "none").Build();
    }

    [ClassCleanup]
    public static async Task StopAsync() => await _server.DisposeAsync();

    [TestMethod]
    public async Task InvokePrompt_Question_ReturnsTheAnswer()
    {
        var expected = _server.Model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 9 })[0];
        var result = await _kernel.InvokePromptAsync("What is {{$a}} + {{$b}}?",
            new(new OpenAIPromptExecutionSettings { MaxTokens = 9, Temperature = 0 }) { ["a"] = "2", ["b"] = "3" });
        Assert.AreEqual(expected.Text, result.ToString());
        var usage = (OpenAI.Chat.ChatTokenUsage)result.Metadata!["Usage"]!;
        Assert.AreEqual(expected.PromptTokens, usage.InputTokenCount);
        Assert.AreEqual(9, usage.OutputTokenCount);
        Assert.AreEqual("Length", result.Metadata["FinishReason"]);
    }

    [TestMethod]
    public async Task GetStreaming_History_StreamsTheAnswer()
    {
        var history = new ChatHistory("Be brief.");
        history.AddUserMessage("1?");
        history.AddAssistantMessage("2");
        history.AddUserMessage("3?");
        var chat = _kernel.GetRequiredService<IChatCompletionService>();
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 30, Temperature = 1, Seed = 4, StopSequences = ["\n\n"] };
        var whole = await chat.GetChatMessageContentAsync(history, settings);
        var pieces = await chat.GetStreamingChatMessageContentsAsync(history, settings).Select(piece => piece.Content).ToListAsync();
        Assert.IsGreaterThan(3, pieces.Count);
        Assert.AreEqual(whole.Content, string.Concat(pieces));
    }

    [TestMethod]
    public async Task InvokePrompt_Refused_ThrowsWithTheReason()
    {
        var chat = _kernel.GetRequiredService<IChatCompletionService>();
        var refusal = await Assert.ThrowsExactlyAsync<HttpOperationException>(() =>
            chat.GetChatMessageContentAsync("x", new OpenAIPromptExecutionSettings { Temperature = -1 }));
        Assert.AreEqual(System.Net.HttpStatusCode.BadRequest, refusal.StatusCode);
        StringAssert.Contains(refusal.Message, "option Temperature: found -1");
    }
}
