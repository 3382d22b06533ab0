using System.ClientModel;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>Tools and answers in JSON, with OpenAI's own client. The model of random weights calls a tool because it must.</summary>
[TestClass]
public sealed class ToolTests
{
    private static readonly BinaryData s_parameters = BinaryData.FromString(
        """{"type": "object", "properties": {"a": {"enum": [2, 3]}, "unit": {"enum": ["m", "km"]}}, "required": ["a", "unit"]}""");

    private static RunningServer _server = null!;
    private static ChatClient _chat = null!;

    private static ChatCompletionOptions Options => new()
    {
        MaxOutputTokenCount = 400, Tools = { ChatTool.CreateFunctionTool("add", "Adds 5.", s_parameters) },
        ToolChoice = ChatToolChoice.CreateRequiredChoice(),
    };

    [ClassInitialize]
    public static async Task StartAsync(TestContext _)
    {
        _server = await RunningServer.StartAsync(template: ByteModelFolder.Hermes);
        _chat = new OpenAIClient(new ApiKeyCredential("none"), new() { Endpoint = new Uri(_server.Address, "/v1") }).GetChatClient("tiny");
    }

    [ClassCleanup]
    public static async Task StopAsync() => await _server.DisposeAsync();

    [TestMethod]
    public async Task CompleteChat_RequiredTool_IsCalledAndItsResultAnswered()
    {
        var messages = new List<ChatMessage> { new UserChatMessage("2 + 5?") };
        ChatCompletion answer = await _chat.CompleteChatAsync(messages, Options);
        Assert.AreEqual(ChatFinishReason.ToolCalls, answer.FinishReason);
        var call = answer.ToolCalls.Single();
        Assert.AreEqual("add", call.FunctionName);
        var arguments = JsonElement.Parse(call.FunctionArguments.ToString());
        Assert.IsTrue(arguments.GetProperty("a").GetInt32() is 2 or 3 && arguments.GetProperty("unit").GetString() is "m" or "km");

        messages.Add(new AssistantChatMessage(answer));
        messages.Add(new ToolChatMessage(call.Id, "7"));
        ChatCompletion next = await _chat.CompleteChatAsync(messages, new() { MaxOutputTokenCount = 5, Tools = { Options.Tools[0] } });
        Assert.AreEqual(ChatFinishReason.Length, next.FinishReason);
        Assert.IsGreaterThan(answer.Usage.InputTokenCount, next.Usage.InputTokenCount, "call and result are in the prompt");
    }

    [TestMethod]
    public async Task CompleteChatStreaming_RequiredTool_StreamsTheSameCall()
    {
        ChatCompletion whole = await _chat.CompleteChatAsync([new UserChatMessage("2 + 5?")], Options);
        var (calls, arguments, reason) = (new List<StreamingChatToolCallUpdate>(), "", (ChatFinishReason?)null);
        await foreach (var update in _chat.CompleteChatStreamingAsync([new UserChatMessage("2 + 5?")], Options))
        {
            calls.AddRange(update.ToolCallUpdates);
            arguments += string.Concat(update.ToolCallUpdates.Select(call => call.FunctionArgumentsUpdate));
            reason ??= update.FinishReason;
        }
        Assert.AreEqual((0, "add", ChatFinishReason.ToolCalls), (calls.Single().Index, calls[0].FunctionName, reason));
        Assert.AreEqual(whole.ToolCalls[0].FunctionArguments.ToString(), arguments);
    }

    [TestMethod]
    public async Task CompleteChat_JsonSchema_AnswersByIt()
    {
        ChatCompletion answer = await _chat.CompleteChatAsync([new UserChatMessage("2 + 5?")], new()
        {
            MaxOutputTokenCount = 400, ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("sum", s_parameters),
        });
        Assert.AreEqual(ChatFinishReason.Stop, answer.FinishReason);
        Assert.IsTrue(JsonElement.Parse(answer.Content[0].Text).GetProperty("a").GetInt32() is 2 or 3);
    }

    [TestMethod]
    public async Task Post_JsonObject_BeginsAnObject()
    {
        var (status, body) = await _server.PostAsync($"{{'response_format': {{'type': 'json_object'}}, 'max_tokens': 60, {RunningServer.Question}}}");
        Assert.AreEqual(200, status);
        Assert.StartsWith("{", body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!.TrimStart());
    }
}
