using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tests.Grammars;

namespace Microsoft.ML.Nlft.Tests.Chat;

/// <summary>Tools reach the prompt in the form of Hugging Face; required calls are written by the grammar.</summary>
[TestClass]
public sealed class ToolTests : IDisposable
{
    private readonly ByteModelFolder _folder = new(ByteModelFolder.Hermes, maximumPositions: 4096);
    private readonly LocalModel _model;
    private readonly LocalChatClient _client;
    private readonly List<(long A, string Unit)> _calls = [];
    private readonly AIFunction _add, _other;

    public ToolTests()
    {
        _model = LocalModel.Load(_folder.Path, new() { Prompts = new() { MaximumTokens = 4096 } });
        _client = new LocalChatClient(_model, new() { Generation = new() { MaximumNewTokens = 400, Temperature = 2 } });
        _add = AIFunctionFactory.Create(Add, "add");
        _other = AIFunctionFactory.Create(() => 1, "other");
    }

    [System.ComponentModel.Description("Adds 5.")]
    private long Add([System.ComponentModel.Description("A number.")] long a, Unit unit)
    {
        _calls.Add((a, unit.ToString()));
        return unchecked(a + 5);
    }

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    [TestMethod]
    public async Task GetResponse_RequiredTool_IsCalledWithValidArguments()
    {
        var options = new ChatOptions { Tools = [_add, _other], ToolMode = ChatToolMode.RequireSpecific("add") };
        for (var i = 0; i < 20; i++)
        {
            var response = await _client.GetResponseAsync("What is 2 + 5?", options);
            Assert.AreEqual(ChatFinishReason.ToolCalls, response.FinishReason, ((GeneratedText)response.RawRepresentation!).Text);
            var call = (FunctionCallContent)response.Messages.Single().Contents.Single();
            Assert.AreEqual("add", call.Name);
            GrammarWriter.AssertValid(JsonSerializer.Serialize(call.Arguments), JsonNode.Parse(_add.JsonSchema.GetRawText())!);
        }
        options.ToolMode = ChatToolMode.RequireAny;
        var names = new HashSet<string>();
        for (var i = 0; i < 20; i++)
        {
            var updates = await _client.GetStreamingResponseAsync("What is 2 + 5?", options).ToListAsync();
            Assert.AreEqual("", string.Concat(updates.Select(update => update.Text)), "no part of the call streams as text");
            Assert.AreEqual(ChatFinishReason.ToolCalls, updates[^1].FinishReason);
            names.Add(updates.SelectMany(update => update.Contents).OfType<FunctionCallContent>().Single().Name);
        }
        Assert.HasCount(2, names);
    }

    [TestMethod]
    public async Task GetResponse_Conversation_IsThePromptOfTheTemplate()
    {
        ChatMessage[] messages = [new(ChatRole.User, "Add."),
            new(ChatRole.Assistant, [new TextContent("Yes. "), new FunctionCallContent("c1", "add", new Dictionary<string, object?> { ["a"] = 2 })]),
            new(ChatRole.Tool, [new FunctionResultContent("c1", 7)])];
        var response = await _client.GetResponseAsync(messages, new() { Tools = [_add], MaxOutputTokens = 1 });
        var tool = "{\"type\": \"function\", \"function\": {\"name\": \"add\", \"description\": \"Adds 5.\", \"parameters\": ";
        var prompt = _model.Tokenizer.Decode(_model.Prompts.EncodeConversation(ChatTurns.Of(messages), null,
            new Dictionary<string, object?> { ["tools"] = ToolRequest.Of(new() { Tools = [_add] }, _model.Prompts, false)!.List() }), false);
        Assert.StartsWith("<|im_start|>system\n" + tool, prompt);
        Assert.EndsWith("<|im_start|>user\nAdd.<|im_end|>\n<|im_start|>assistant\nYes. <tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": "
            + "2}}\n</tool_call>"
            + "<|im_end|>\n<|im_start|>user\n<tool_response>\n7\n</tool_response><|im_end|>\n<|im_start|>assistant\n", prompt);
        Assert.AreEqual(_model.Tokenizer.Encode(prompt, addSpecialTokens: false).Length, response.Usage!.InputTokenCount);
    }

    [TestMethod]
    public async Task GetResponse_ResultWithASpecialToken_StaysText()
    {
        ChatMessage[] messages = [new(ChatRole.User, "Add."), new(ChatRole.Assistant, [new FunctionCallContent("c1", "add")]),
            new(ChatRole.Tool, [new FunctionResultContent("c1", "<|im_end|>")])];
        var ids = _model.Prompts.EncodeConversation(ChatTurns.Of(messages));
        Assert.AreEqual(3, ids.Count(id => id == ByteModelFolder.EndOfTurn), "one for each message");
        messages[1] = new(ChatRole.Assistant, [new FunctionCallContent("c1", "add", new Dictionary<string, object?> { ["a"] = "<|im_end|>" })]);
        var refusal = await Assert.ThrowsExactlyAsync<NlftException>(() => _client.GetResponseAsync(messages));
        Assert.AreEqual("a tool or a call of one: found the text of a token in \"<|im_end|>\"; expected texts without tokens of the model's prompts. "
            + "Remove the token's text.", refusal.Message);
    }

    [TestMethod]
    public async Task GetResponse_FunctionInvocation_CallsTheFunctionAndAnswers()
    {
        using var invoking = new ChatClientBuilder(_client).UseFunctionInvocation().Build();
        var response = await invoking.GetResponseAsync("What is 2 + 5?",
            new() { Tools = [_add], ToolMode = ChatToolMode.RequireSpecific("add"), MaxOutputTokens = 300 });
        var (a, unit) = _calls.Single();
        var call = (FunctionCallContent)response.Messages[0].Contents.Single();
        Assert.AreEqual($"{a} {unit}", $"{call.Arguments!["a"]} {call.Arguments["unit"]}");
        Assert.AreEqual(unchecked(a + 5).ToString(System.Globalization.CultureInfo.InvariantCulture),
            ((FunctionResultContent)response.Messages[1].Contents.Single()).Result!.ToString());
        Assert.AreEqual(ChatRole.Assistant, response.Messages[2].Role);
    }

    [TestMethod]
    public async Task GetResponse_ToolsAndJson_GivesACallOrJson()
    {
        var options = new ChatOptions 
        {
            Tools = [_add],
            ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{ "enum": ["yes", "no"] }""")),
        };
        var kinds = new HashSet<string>();
        for (var i = 0; i < 60; i++)
        {
            var content = (await _client.GetResponseAsync("x", options)).Messages.Single().Contents.Single();
            if (content is TextContent { Text: var text }) Assert.IsTrue(text.Trim() is "\"yes\"" or "\"no\"", text);
            kinds.Add(content.GetType().Name);
        }
        Assert.HasCount(2, kinds);
    }

    [TestMethod]
    public async Task GetResponse_ToolModeNone_LeavesTheToolsOut()
    {
        var without = await _client.GetResponseAsync("x", new() { MaxOutputTokens = 1 });
        var none = await _client.GetResponseAsync("x", new() { MaxOutputTokens = 1, Tools = [_add], ToolMode = ChatToolMode.None });
        Assert.AreEqual(without.Usage!.InputTokenCount, none.Usage!.InputTokenCount);
    }

    [TestMethod]
    public async Task GetResponse_JsonOfAType_CanBeRead()
    {
        var response = await _client.GetResponseAsync<Answer>("Who?");
        Assert.IsTrue(response.TryGetResult(out var answer), response.Text);
        Assert.IsTrue(Enum.IsDefined(answer!.Unit));
    }

    [System.Text.Json.Serialization.JsonConverter(typeof(System.Text.Json.Serialization.JsonStringEnumConverter<Unit>))]
    internal enum Unit
    {
        Metres,
        Feet,
    }

    internal sealed record Answer(bool Sure, long Age, Unit Unit);
}
