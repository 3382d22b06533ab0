using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tests.Chat;

/// <summary>Answers through Microsoft.Extensions.AI equal those of the model and satisfy the interface.</summary>
[TestClass]
public sealed class LocalChatClientTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 2, 12, 0, 0, TimeSpan.Zero);

    private readonly ByteModelFolder _folder = new();
    private readonly LocalModel _model;
    private readonly LocalChatClient _client;

    public LocalChatClientTests()
    {
        _model = LocalModel.Load(_folder.Path);
        _client = new LocalChatClient(_model, new() { TimeProvider = new StoppedClock(), Generation = new() { MaximumNewTokens = 12 } });
    }

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    [TestMethod]
    public async Task GetResponse_Question_ReturnsAnswerUsageAndNames()
    {
        var expected = _model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 12 })[0];
        var response = await _client.GetResponseAsync("What is 2 + 3?");
        Assert.AreEqual(expected.Text, response.Text);
        Assert.AreEqual(ChatRole.Assistant, response.Messages.Single().Role);
        var prompt = "<|im_start|>user\nWhat is 2 + 3?<|im_end|>\n<|im_start|>assistant\n";
        Assert.AreEqual(_model.Tokenizer.Encode(prompt, addSpecialTokens: false).Length, response.Usage!.InputTokenCount);
        Assert.AreEqual(12, response.Usage.OutputTokenCount);
        Assert.AreEqual(response.Usage.InputTokenCount + 12, response.Usage.TotalTokenCount);
        Assert.AreEqual(ChatFinishReason.Length, response.FinishReason);
        Assert.AreEqual(_folder.Name, response.ModelId);
        Assert.AreEqual(Noon, response.CreatedAt);
        Assert.AreNotEqual(response.ResponseId, (await _client.GetResponseAsync("What is 2 + 3?")).ResponseId);
        CollectionAssert.AreEqual(expected.Tokens.ToArray(), ((GeneratedText)response.RawRepresentation!).Tokens.ToArray());
    }

    [TestMethod]
    public async Task GetStreamingResponse_Question_ReturnsTheResponseInPieces()
    {
        var whole = await _client.GetResponseAsync("1 + 1?", new() { MaxOutputTokens = 40 });
        var updates = await _client.GetStreamingResponseAsync("1 + 1?", new() { MaxOutputTokens = 40 }).ToListAsync();
        Assert.IsGreaterThan(3, updates.Count);
        Assert.IsTrue(updates.All(u => u.Role == ChatRole.Assistant && u.ResponseId == updates[0].ResponseId && u.MessageId == updates[0].MessageId
            && u.ModelId == _folder.Name && u.CreatedAt == Noon));
        Assert.IsTrue(updates.SkipLast(1).All(u => u.FinishReason is null && u.Text.Length > 0));
        var joined = updates.ToChatResponse();
        Assert.AreEqual(whole.Text, joined.Text);
        Assert.AreEqual(whole.FinishReason, joined.FinishReason);
        Assert.AreEqual(whole.Usage!.TotalTokenCount, joined.Usage!.TotalTokenCount);
        Assert.AreEqual(whole.Usage.InputTokenCount, joined.Usage.InputTokenCount);
    }

    [TestMethod]
    public async Task ContinueStreaming_Text_IsContinuedWithoutATemplate()
    {
        var prompt = _client.EncodeText("2 + 3 =");
        CollectionAssert.AreEqual(_model.Tokenizer.Encode("2 + 3 =", addSpecialTokens: true), prompt);
        var expected = _model.Generate([prompt], new() { MaximumNewTokens = 30 })[0];
        var response = (await _client.ContinueStreamingAsync(prompt, new() { MaxOutputTokens = 30 }).ToListAsync()).ToChatResponse();
        Assert.AreEqual(expected.Text, response.Text);
        Assert.AreEqual(30, response.Usage!.OutputTokenCount);
        Assert.AreEqual((0, 0), (_client.WaitingRequests, _client.RunningRequests));
        Assert.AreEqual("the prompt: found 300000 characters; expected at most 262144: the model reads 1024 tokens. Shorten the prompt.",
            Assert.ThrowsExactly<NlftException>(() => _client.EncodeText(new string('a', 300_000))).Message);
    }

    [TestMethod]
    public async Task GetResponse_Conversation_IsThePrompt()
    {
        ChatMessage[] messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, [new TextContent("a"), new TextContent("b")]),
            new(ChatRole.Assistant, "c"), new(ChatRole.User, "d")];
        var response = await _client.GetResponseAsync(messages, new() { Instructions = "Add." });
        var prompt = "<|im_start|>system\nAdd.\n\nBe brief.<|im_end|>\n<|im_start|>user\nab<|im_end|>\n"
            + "<|im_start|>assistant\nc<|im_end|>\n<|im_start|>user\nd<|im_end|>\n<|im_start|>assistant\n";
        var tokens = _model.Tokenizer.Encode(prompt, addSpecialTokens: false);
        Assert.AreEqual(tokens.Length, response.Usage!.InputTokenCount);
        Assert.AreEqual(_model.Generate([tokens], new() { MaximumNewTokens = 12 })[0].Text, response.Text);
    }

    [TestMethod]
    public async Task GetResponse_RequestOptions_OverrideTheDefaults()
    {
        var options = new ChatOptions { Temperature = 0.7f, TopP = 0.9f, TopK = 50, Seed = 7, MaxOutputTokens = 30, FrequencyPenalty = 0.5f,
            PresencePenalty = -0.25f, ModelId = _folder.Name };
        var expected = _model.Answer(["x"], new() { Temperature = 0.7, TopP = 0.9, TopK = 50, Seed = 7, MaximumNewTokens = 30,
            FrequencyPenalty = 0.5, PresencePenalty = -0.25 })[0];
        Assert.AreEqual(expected.Text, (await _client.GetResponseAsync("x", options)).Text);
        Assert.AreEqual(expected.Text, (await _client.GetResponseAsync("x", options)).Text, "the same seed, the same answer");
        options.Seed = long.MaxValue;
        Assert.AreNotEqual(expected.Text, (await _client.GetResponseAsync("x", options)).Text);
    }

    [TestMethod]
    public async Task GetResponse_NoSeed_DrawsAnewReproducibly()
    {
        var options = new ChatOptions { Temperature = 1 };
        string[] first = [(await _client.GetResponseAsync("x", options)).Text, (await _client.GetResponseAsync("x", options)).Text];
        Assert.AreNotEqual(first[0], first[1]);
        using var again = new LocalChatClient(_model, new() { Generation = new() { MaximumNewTokens = 12 } });
        CollectionAssert.AreEqual(first, new[] { (await again.GetResponseAsync("x", options)).Text,
            (await again.GetResponseAsync("x", options)).Text });
    }

    [TestMethod]
    public async Task GetResponse_StopSequence_EndsTheAnswerBeforeIt()
    {
        var text = (await _client.GetResponseAsync("x", new() { MaxOutputTokens = 40, Temperature = 1, Seed = 2 })).Text;
        var stop = text.Substring(text.Length / 2, 3);
        var options = new ChatOptions { MaxOutputTokens = 40, Temperature = 1, Seed = 2, StopSequences = ["never there", stop] };
        var stopped = await _client.GetResponseAsync("x", options);
        Assert.AreEqual(text[..text.IndexOf(stop, StringComparison.Ordinal)], stopped.Text);
        Assert.AreEqual(ChatFinishReason.Stop, stopped.FinishReason);
        Assert.AreEqual(stopped.Text, (await _client.GetStreamingResponseAsync("x", options).ToListAsync()).ToChatResponse().Text);
    }

    [TestMethod]
    public async Task GetResponse_RawGenerationOptions_ReplaceTheDefaults()
    {
        var options = new ChatOptions { MaxOutputTokens = 5, RawRepresentationFactory = _ =>
            new GenerationOptions { LogProbabilities = true, RepetitionPenalty = 1.5 } };
        var answer = (GeneratedText)(await _client.GetResponseAsync("x", options)).RawRepresentation!;
        Assert.HasCount(5, answer.LogProbabilities!);
        CollectionAssert.AreEqual(_model.Answer(["x"], new() { MaximumNewTokens = 5, RepetitionPenalty = 1.5 })[0].Tokens.ToArray(),
            answer.Tokens.ToArray());
    }

    [TestMethod]
    public async Task GetResponse_Logprobs_ReturnsAlternatives()
    {
        var asked = new AdditionalPropertiesDictionary { ["logprobs"] = true, ["top_logprobs"] = System.Text.Json.JsonElement.Parse("2") };
        var answer = (GeneratedText)(await _client.GetResponseAsync("x", new() { AdditionalProperties = asked })).RawRepresentation!;
        var expected = _model.Answer(["x"], new() { MaximumNewTokens = 12, LogProbabilities = true, TopLogProbabilities = 2 })[0];
        CollectionAssert.AreEqual(expected.LogProbabilities!.ToArray(), answer.LogProbabilities!.ToArray());
        CollectionAssert.AreEqual(expected.TopLogProbabilities!.SelectMany(top => top).ToArray(),
            answer.TopLogProbabilities!.SelectMany(top => top).ToArray());
        var last = (await _client.GetStreamingResponseAsync("x", new() { AdditionalProperties = asked }).ToListAsync())[^1];
        CollectionAssert.AreEqual(expected.LogProbabilities!.ToArray(), ((GeneratedText)last.RawRepresentation!).LogProbabilities!.ToArray());
    }

    [TestMethod]
    public async Task GetResponse_TemplateVariables_ReachTheTemplate()
    {
        using var folder =
            new ByteModelFolder(
            "{%- for m in messages %}{{- m.content }}{%- endfor %}{{- enable_thinking|default('?') }}{{- reasoning_effort|default('?') }}{{- "
            + "date|default('') }}");
        using var client = NlftModel.LoadChatClient(folder.Path, new() { Generation = new() { MaximumNewTokens = 1 } });
        async Task<long?> Length(ChatOptions? options) => (await client.GetResponseAsync("x", options)).Usage!.InputTokenCount;
        Assert.AreEqual("x??".Length, await Length(null));
        Assert.AreEqual("xFalse?".Length, await Length(new() { Reasoning = new() { Effort = ReasoningEffort.None } }));
        Assert.AreEqual("xTruemedium".Length, await Length(new() { Reasoning = new() { Effort = ReasoningEffort.Medium } }));
        var named = new AdditionalPropertiesDictionary { ["chat_template_kwargs"] =
            new Dictionary<string, object?> { ["date"] = "today", ["enable_thinking"] = 12345 } };
        Assert.AreEqual("x12345lowtoday".Length, await Length(
            new() { Reasoning = new() { Effort = ReasoningEffort.Low }, AdditionalProperties = named }));
        named["chat_template_kwargs"] = System.Text.Json.JsonElement.Parse("""{"date": "now"}""");
        Assert.AreEqual("x??now".Length, await Length(new() { AdditionalProperties = named }));
        named["chat_template_kwargs"] = System.Text.Json.JsonElement.Parse("""{"date": "now", "date": "then"}""");
        StringAssert.StartsWith((await Assert.ThrowsExactlyAsync<NlftException>(() => Length(new() { AdditionalProperties = named }))).Message,
            "option ChatOptions.AdditionalProperties[\"chat_template_kwargs\"], \"date\": found the key twice");
    }

    [TestMethod]
    [DataRow("logprobs", "yes", "true or false")]
    [DataRow("top_logprobs", 1.5, "a whole number")]
    [DataRow("chat_template_kwargs", 7, "an object of names and values")]
    public async Task GetResponse_AdditionalPropertyOfWrongType_IsRefused(string name, object value, string expected) => Assert.AreEqual(
        FormattableString.Invariant(
            $"option ChatOptions.AdditionalProperties[\"{name}\"]: found {value}; expected {expected}. Correct the value or leave it out."),
        (await Assert.ThrowsExactlyAsync<NlftException>(() =>
            _client.GetResponseAsync("x", new() { AdditionalProperties = new() { [name] = value } }))).Message);

    [TestMethod]
    public async Task EightRequests_Concurrent_GetTheirOwnAnswers()
    {
        var options = Enumerable.Range(0, 8).Select(i => new ChatOptions { MaxOutputTokens = 5 + 4 * i, Temperature = i % 2, Seed = i }).ToArray();
        var serial = new List<string>();
        for (var i = 0; i < 8; i++) serial.Add((await _client.GetResponseAsync($"question {i}", options[i])).Text);
        var together = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i => i % 2 == 0
            ? (await _client.GetResponseAsync($"question {i}", options[i])).Text
            : (await _client.GetStreamingResponseAsync($"question {i}", options[i]).ToListAsync()).ToChatResponse().Text));
        CollectionAssert.AreEqual(serial, together);
        Assert.HasCount(8, serial.Distinct().ToArray());
    }

    [TestMethod]
    public void GetService_KnownTypes_ReturnsClientModelAndMetadata()
    {
        Assert.AreSame(_client, _client.GetService<IChatClient>());
        Assert.AreSame(_client, _client.GetService<LocalChatClient>());
        Assert.AreSame(_model, _client.GetService<LocalModel>());
        var metadata = _client.GetService<ChatClientMetadata>()!;
        Assert.AreEqual(_folder.Name, metadata.DefaultModelId);
        Assert.AreEqual("nlft", metadata.ProviderName);
        Assert.IsNull(_client.GetService<string>());
        Assert.IsNull(_client.GetService<IChatClient>("key"));
    }

    public static IEnumerable<object[]> Refusals => new (ChatMessage Message, ChatOptions? Options, string Fault)[]
    {
        (new(ChatRole.User, [new TextContent("Look:"), new DataContent(new byte[] { 1 }, "image/png")]), null,
            "message 1: found a DataContent; expected TextContent: the model reads text only. Leave it out or put it into words."),
        (new(new ChatRole("critic"), "x"), null,
            "message 1: found the role critic; expected system, user, assistant or tool. Give it one of these roles."),
        (new(ChatRole.Assistant, "x"), null,
            "the conversation: found a message of the role assistant at its end; expected a user's message at its end. Add the message that the "
            + "model should answer."),
        (new(ChatRole.User, ""), new() { Instructions = "Add." },
            "message 1: found an empty text; expected a text. Fill it in or leave the message out."),
        (Question, new() { Tools = [AIFunctionFactory.Create(() => 5, "five")] },
            "option ChatOptions.Tools: found a model whose chat template shows no tools, or in a format that is not known; expected the format of "
                + "Hermes "
            + "and Qwen, of Llama 3.1 or of Mistral. Use a model whose template shows tools, or leave them out."),
        (Question, new() { Tools = [new HostedWebSearchTool()] },
            "option ChatOptions.Tools: found a HostedWebSearchTool; expected functions. Leave it out: only functions are called here."),
        (Question, new() { ToolMode = ChatToolMode.RequireAny },
            "option ChatOptions.ToolMode: found RequireAny; expected one tool or more to call. Add the tool to ChatOptions.Tools, or leave the "
                + "mode out."),
        (Question, new() { ToolMode = ChatToolMode.RequireSpecific("six"), Tools = [AIFunctionFactory.Create(() => 5, "five")] },
            "option ChatOptions.ToolMode: found RequireSpecific(\"six\"); expected the name of one of the tools. Add the tool to "
                + "ChatOptions.Tools, or "
            + "leave the mode out."),
        (Question, new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(System.Text.Json.JsonElement.Parse("{\"if\":{}}")) },
            "option JsonSchema, \"if\": found the keyword if; expected keywords that are supported here: docs/chat.md lists them. Leave it out "
                + "and check "
            + "the answer, or say the same with supported keywords."),
        (new(ChatRole.Assistant, [new FunctionCallContent("1", "five")]), new(),
            "the conversation: found calls of tools for a model whose chat template shows none; expected the format of Hermes and Qwen, of Llama "
                + "3.1 or of "
            + "Mistral. Use a model whose template shows tools, or leave them out."),
        (new(ChatRole.Tool, [new FunctionResultContent("1", 5)]), new(),
            "message 1: found the result of the call \"1\"; expected the call in an earlier message of the assistant. Send the message with the "
                + "call, too."),
        (Question, new() { ConversationId = "7" },
            "option ChatOptions.ConversationId: found \"7\"; expected nothing: no conversation is kept here. Send the earlier messages with each "
            + "request."),
        (Question, new() { Temperature = -1 },
            "option Temperature: found -1; expected a finite number, 0 or more. "
                + "Use 0 for the most likely answer, or about 0.3 to 1 for varied ones."),
        (Question, new() { Temperature = float.NaN },
            "option Temperature: found NaN; expected a finite number, 0 or more. "
                + "Use 0 for the most likely answer, or about 0.3 to 1 for varied ones."),
        (Question, new() { MaxOutputTokens = 0 },
            "option MaximumNewTokens: found 0; expected 1 or more. Set the longest answer you want, for example 512."),
        (Question, new() { StopSequences = [""] },
            "option StopStrings: found \"\"; expected texts of one character or more. Remove the empty text: it would end every answer at once."),
        (new(ChatRole.User, new string('7', 2000)), null,
            "the conversation: found 2019 tokens; expected fewer than 1024, the most that prompt and answer may have together. " +
            "Leave out earlier turns, or raise MaximumTokens up to what the model allows."),
    }.Select(row => new object[] { row.Message, row.Options!, row.Fault });

    private static ChatMessage Question => new(ChatRole.User, "x");

    [TestMethod]
    [DynamicData(nameof(Refusals))]
    public async Task GetResponse_UnsupportedOption_IsRefusedByName(ChatMessage message, ChatOptions? options, string fault)
    {
        Assert.AreEqual(fault, (await Assert.ThrowsExactlyAsync<NlftException>(() => _client.GetResponseAsync([message], options))).Message);
        Assert.AreEqual(fault, (await Assert.ThrowsExactlyAsync<NlftException>(async () =>
            await _client.GetStreamingResponseAsync([message], options).ToListAsync())).Message);
        Assert.IsNotEmpty((await _client.GetResponseAsync("x")).Text, "the client still answers");
    }

    [TestMethod]
    public async Task GetResponse_OtherModelId_IsRefused() => Assert.AreEqual(
        $"option ChatOptions.ModelId: found \"gpt-x\"; expected \"{_folder.Name}\". Leave it out: a client has one model.",
        (await Assert.ThrowsExactlyAsync<NlftException>(() => _client.GetResponseAsync("x", new() { ModelId = "gpt-x" }))).Message);

    [TestMethod]
    public async Task LoadChatClient_Folder_OwnsItsModel()
    {
        var client = NlftModel.LoadChatClient(_folder.Path, new() { ModelId = "mine", Generation = new() { MaximumNewTokens = 12 } });
        var response = await client.GetResponseAsync("x");
        Assert.AreEqual((await _client.GetResponseAsync("x")).Text, response.Text);
        Assert.AreEqual("mine", response.ModelId);
        var model = client.GetService<LocalModel>()!;
        client.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Answer(["x"]));
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => client.GetResponseAsync("x"));
    }

    [TestMethod]
    public async Task Dispose_CallersModel_StaysOpen()
    {
        var client = _model.AsChatClient();
        client.Dispose();
        client.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => client.GetResponseAsync("x"));
        Assert.HasCount(1, _model.Answer(["x"], new() { MaximumNewTokens = 1 }));
        using var late = _model.AsChatClient();
        _model.Dispose();
        await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => late.GetResponseAsync("x"));
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Noon;
    }
}
