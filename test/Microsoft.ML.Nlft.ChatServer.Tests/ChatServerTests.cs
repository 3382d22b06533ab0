using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace ChatServer.Tests;

/// <summary>The server as an HTTP client sees it.</summary>
[TestClass]
public sealed class ChatServerTests
{
    private const string Question = "'messages': [{'role': 'user', 'content': 'What is 2 + 3?'}]";

    private static RunningServer _server = null!;

    [ClassInitialize]
    public static async Task StartAsync(TestContext _) => _server = await RunningServer.StartAsync();

    [ClassCleanup]
    public static async Task StopAsync() => await _server.DisposeAsync();

    [TestMethod]
    public async Task Post_Completion_ReturnsTheModelsAnswer()
    {
        var expected = _server.Model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 7 })[0];
        var (status, body) = await _server.PostAsync($"{{'model': 'tiny', {Question}, 'max_tokens': 7}}");
        Assert.AreEqual(200, status);
        Assert.AreEqual("chat.completion", body.GetProperty("object").GetString());
        Assert.AreEqual("tiny", body.GetProperty("model").GetString());
        StringAssert.StartsWith(body.GetProperty("id").GetString(), "chatcmpl-");
        Assert.IsGreaterThan(DateTimeOffset.UtcNow.AddMinutes(-10).ToUnixTimeSeconds(), body.GetProperty("created").GetInt64());
        var choice = body.GetProperty("choices").EnumerateArray().Single();
        Assert.AreEqual(expected.Text, choice.GetProperty("message").GetProperty("content").GetString());
        Assert.AreEqual("assistant", choice.GetProperty("message").GetProperty("role").GetString());
        Assert.AreEqual("length", choice.GetProperty("finish_reason").GetString());
        var usage = body.GetProperty("usage");
        Assert.AreEqual(expected.PromptTokens, usage.GetProperty("prompt_tokens").GetInt32());
        Assert.AreEqual(7, usage.GetProperty("completion_tokens").GetInt32());
        Assert.AreEqual(expected.PromptTokens + 7, usage.GetProperty("total_tokens").GetInt32());
    }

    [TestMethod]
    public async Task Post_Stream_ReturnsTheCompletionInChunks()
    {
        var settings = $"{Question}, 'max_completion_tokens': 40, 'temperature': 1, 'seed': 5";
        var (_, whole) = await _server.PostAsync($"{{{settings}}}");
        var events = await _server.StreamAsync($"{{{settings}, 'stream': true, 'stream_options': {{'include_usage': true}}}}").ToListAsync();
        Assert.AreEqual("[DONE]", events[^1]);
        var chunks = events.SkipLast(1).Select(e => JsonElement.Parse(e)).ToArray();
        Assert.IsTrue(chunks.All(chunk => chunk.GetProperty("object").GetString() == "chat.completion.chunk"));
        Assert.HasCount(1, chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct().ToArray());
        Assert.AreEqual(whole.GetProperty("usage").GetRawText(), chunks[^1].GetProperty("usage").GetRawText());
        Assert.AreEqual(0, chunks[^1].GetProperty("choices").GetArrayLength());
        var choices = chunks.SkipLast(1).Select(chunk => chunk.GetProperty("choices")[0]).ToArray();
        Assert.IsGreaterThan(4, choices.Length);
        Assert.AreEqual("assistant", choices[0].GetProperty("delta").GetProperty("role").GetString());
        Assert.AreEqual("length", choices[^1].GetProperty("finish_reason").GetString());
        Assert.IsTrue(choices.SkipLast(1).All(choice => choice.GetProperty("finish_reason").ValueKind == JsonValueKind.Null));
        var text = string.Concat(choices.Select(choice => choice.GetProperty("delta").TryGetProperty("content", out var piece) ? piece.GetString()
            : ""));
        Assert.AreEqual(whole.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString(), text);
    }

    [TestMethod]
    public async Task Post_StopString_EndsCompletionAndStream()
    {
        var text = Text((await _server.PostAsync($"{{{Question}, 'temperature': 1, 'seed': 3, 'max_tokens': 40}}")).Body);
        var stop = text.Substring(text.Length / 2, 2);
        var body = $"{{{Question}, 'temperature': 1, 'seed': 3, 'max_tokens': 40, 'stop': [{JsonSerializer.Serialize(stop)}]";
        var stopped = (await _server.PostAsync(body + "}")).Body;
        Assert.AreEqual(text[..text.IndexOf(stop, StringComparison.Ordinal)], Text(stopped));
        Assert.AreEqual("stop", stopped.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        var events = await _server.StreamAsync(body + ", 'stream': true}").ToListAsync();
        Assert.AreEqual("stop", JsonElement.Parse(events[^2]).GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    [TestMethod]
    public async Task Post_Logprobs_ReturnsThemAtTheEndOfAStream()
    {
        var expected = _server.Model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 5, LogProbabilities = true, TopLogProbabilities = 2 })[0];
        var settings = $"{Question}, 'max_tokens': 5, 'logprobs': true, 'top_logprobs': 2";
        var whole = (await _server.PostAsync($"{{{settings}}}")).Body.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content");
        Assert.AreEqual(5, whole.GetArrayLength());
        for (var i = 0; i < 5; i++)
        {
            Assert.AreEqual(expected.LogProbabilities![i], whole[i].GetProperty("logprob").GetDouble(), 1e-12);
            Assert.AreEqual(expected.TopLogProbabilities![i][1].LogProbability,
                whole[i].GetProperty("top_logprobs")[1].GetProperty("logprob").GetDouble(), 1e-12);
            var (token, bytes) = (whole[i].GetProperty("token").GetString()!, whole[i].GetProperty("bytes"));
            if (!token.Contains('\uFFFD'))
                Assert.AreEqual(token, Encoding.UTF8.GetString([.. bytes.EnumerateArray().Select(value => value.GetByte())]));
        }
        var events = await _server.StreamAsync($"{{{settings}, 'stream': true}}").ToListAsync();
        Assert.AreEqual(whole.GetRawText(), JsonElement.Parse(events[^2]).GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content")
            .GetRawText());
        Assert.IsFalse((await _server.PostAsync($"{{{Question}}}")).Body.GetProperty("choices")[0].TryGetProperty("logprobs", out _));
    }

    [TestMethod]
    public async Task EightRequests_Concurrent_GetTheirOwnAnswers()
    {
        static string Body(int i) =>
            $"{{'messages': [{{'role': 'system', 'content': 'Be number {i}.'}}, {{'role': 'user', 'content': [{{'type': 'text', 'text': "
            + $"'{i}?'}}]}}], 'temperature': 1, 'seed': {i}}}";
        var serial = new List<string>();
        for (var i = 0; i < 8; i++) serial.Add(Text((await _server.PostAsync(Body(i))).Body));
        var together = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i => Text((await _server.PostAsync(Body(i))).Body)));
        CollectionAssert.AreEqual(serial, together);
        Assert.HasCount(8, together.Distinct().ToArray());
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task Stream_ClientDisconnects_FreesTheModel()
    {
        await foreach (var _ in _server.StreamAsync($"{{{Question}, 'stream': true, 'max_tokens': 16000}}")) break; // minutes, if it ran on
        Assert.AreEqual(200, (await _server.PostAsync($"{{{Question}}}")).Status);
    }

    [TestMethod]
    public async Task Get_Models_ListsTheModel()
    {
        var entry = JsonElement.Parse(await _server.Http.GetStringAsync("/v1/models")).GetProperty("data").EnumerateArray().Single();
        Assert.AreEqual("tiny", entry.GetProperty("id").GetString());
        Assert.AreEqual("model", entry.GetProperty("object").GetString());
    }

    [TestMethod]
    [DataRow("{", 400, null, null, "no valid JSON")]
    [DataRow("null", 400, null, null, "null")]
    [DataRow("{'messages': []}", 400, "messages", null, "'messages' must be a list of one message or more.")]
    [DataRow("{'messages': [{'role': 'user'}]}", 400, "messages[0].content", null, "must be a text or a list of parts of the type text")]
    [DataRow("{'messages': [{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'x'}}]}]}", 400, "messages[0].content", null,
        "must be a text")]
    [DataRow("{'messages': [{'content': 'x'}]}", 400, "messages[0].role", null, "is missing")]
    [DataRow("{'messages': [{'role': 'tool', 'content': '5'}]}", 400, null, null,
        "message 1: found a TextContent; expected FunctionResultContent in a message of the role tool.")]
    [DataRow("{'model': 'gpt-x', " + Question + "}", 404, "model", "model_not_found", "There is no model 'gpt-x' here; there is 'tiny'.")]
    [DataRow("{'temperature': 'hot', " + Question + "}", 400, null, null, "$.temperature")]
    [DataRow("{'temperature': -1, " + Question + "}", 400, null, null, "option Temperature: found -1")]
    [DataRow("{'temperature': -1, 'stream': true, " + Question + "}", 400, null, null, "option Temperature: found -1")]
    [DataRow("{'stop': 5, " + Question + "}", 400, "stop", null, "'stop' must be a string or a list of strings.")]
    [DataRow("{'n': 2, " + Question + "}", 400, "n", "unsupported_parameter",
        "'n' is not supported: this server gives one answer a request. Leave it out.")]
    [DataRow("{'top_logprobs': 2, " + Question + "}", 400, "top_logprobs", null, "'top_logprobs' needs 'logprobs': true.")]
    [DataRow("{'logprobs': true, 'top_logprobs': 21, " + Question + "}", 400, null, null, "option TopLogProbabilities: found 21")]
    [DataRow("{'chat_template_kwargs': 5, " + Question + "}", 400, null, null, "expected an object of names and values")]
    [DataRow("{'logit_bias': {'1': 5}, " + Question + "}", 400, "logit_bias", "unsupported_parameter", "not supported")]
    [DataRow("{'tools': [{}], " + Question + "}", 400, "tools", "unsupported_parameter", "not supported")]
    [DataRow("{'functions': [{}], " + Question + "}", 400, "functions", "unsupported_parameter", "not supported")]
    [DataRow("{'response_format': {'type': 5}, " + Question + "}", 400, "response_format", "unsupported_parameter", "not supported")]
    [DataRow("{'response_format': 'text', " + Question + "}", 400, "response_format", "unsupported_parameter", "not supported")]
    [DataRow("{'response_format': [1], " + Question + "}", 400, "response_format", "unsupported_parameter", "not supported")]
    [DataRow("{'messages': [null]}", 400, "messages[0]", null, "'messages[0]' is null.")]
    [DataRow("{'messages': [{'role': 'user', 'content': 'x'}, null]}", 400, "messages[1]", null, "'messages[1]' is null.")]
    [DataRow("{'messages': [{'role': 'user', 'content': '\\ud800'}]}", 400, null, null, "not Unicode")]
    [DataRow("{'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': '\\udfff'}]}]}", 400, null, null, "not Unicode")]
    [DataRow("{'stop': '\\ud800', " + Question + "}", 400, null, null, "not Unicode")]
    [DataRow("{'stop': ['\\ud800x'], " + Question + "}", 400, null, null, "not Unicode")]
    [DataRow("{'chat_template_kwargs': {'a': '\\ud800'}, " + Question + "}", 400, null, null, "half of a surrogate pair")]
    [DataRow("{'response_format': {'type': 'json_object'}, " + Question + "}", 400, "response_format", "unsupported_parameter", "not supported")]
    public async Task Post_BadRequest_ReturnsAnErrorObject(string json, int status, string? parameter, string? code, string message)
    {
        var (answered, body) = await _server.PostAsync(json);
        Assert.AreEqual(status, answered);
        var error = body.GetProperty("error");
        StringAssert.Contains(error.GetProperty("message").GetString(), message);
        Assert.AreEqual("invalid_request_error", error.GetProperty("type").GetString());
        Assert.AreEqual(parameter, error.GetProperty("param").GetString());
        Assert.AreEqual(code, error.GetProperty("code").GetString());
    }

    [TestMethod]
    [DataRow("{\"messages\": [{\"role\": \"user\", \"content\": \"?\"}]}")]
    [DataRow("{\"messages\": [{\"role\": \"?\", \"content\": \"x\"}]}")]
    [DataRow("{\"model\": \"?\"}")]
    [DataRow("{\"?\": 1}")]
    [DataRow("?{}")]
    public async Task Post_BytesThatAreNotUtf8_IsABadRequest(string json)
    {
        var body = new ByteArrayContent([.. Encoding.Latin1.GetBytes(json.Replace('?', '\u00ff'))]);
        body.Headers.ContentType = new("application/json");
        using var response = await _server.Http.PostAsync("/v1/chat/completions", body);
        Assert.AreEqual(400, (int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    [TestMethod]
    [DataRow("zz\r\n")]
    [DataRow("-1\r\n")]
    [DataRow("ffffffffffffffffff\r\n")]
    [DataRow("5\r\n{}")]
    [DataRow("2;\r\n{}x")]
    public async Task Post_BrokenChunk_IsNoServerError(string chunk)
    {
        var answer = await SendAsync($"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + $"Transfer-Encoding: chunked\r\n\r\n{chunk}", ends: true);
        Assert.IsTrue(answer.Length == 0 || answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), answer);
    }

    [TestMethod]
    [DataRow("evil.example")]
    [DataRow("evil.example:5080")]
    [DataRow("localhost.evil.example")]
    [DataRow("127.0.0.1.evil.example")]
    [DataRow("10.0.0.1")]
    public async Task Get_ForeignHost_IsForbidden(string host)
    {
        Assert.StartsWith("HTTP/1.1 403 ", await SendAsync($"GET /v1/models HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 200 ", await SendAsync("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 400 ", await SendAsync($"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nHost: {host}\r\n\r\n"));
    }

    [TestMethod]
    public async Task Post_TextFarBeyondTheContext_IsRefusedBeforeItIsTokenized()
    {
        var (status, body) = await _server.PostAsync($"{{'messages': [{{'role': 'user', 'content': '{new string('a', 5_000_000)}'}}]}}");
        Assert.AreEqual(400, status);
        Assert.StartsWith("the conversation: found 5000000 characters; expected at most 4194304: the model reads 16384 tokens.",
            body.GetProperty("error").GetProperty("message").GetString()!);
    }

    /// <summary>Sends bytes over a connection, closes its sending half if that is their end, and returns what comes back.</summary>
    private static async Task<string> SendAsync(string request, bool ends = false)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_server.Address.Host, _server.Address.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request));
        if (ends) client.Client.Shutdown(SocketShutdown.Send);
        using var reader = new StreamReader(stream);
        try
        {
            return await reader.ReadToEndAsync();
        }
        catch (IOException)
        {
            return ""; // closed without an answer
        }
    }

    [TestMethod]
    public async Task Post_OptionsWithoutEffect_AreAccepted() => Assert.AreEqual(200, (await _server.PostAsync(
        $"{{{Question}, 'n': 1, 'tools': [], 'logit_bias': {{}}, 'logprobs': false, 'top_logprobs': 0, 'chat_template_kwargs': {{'enable_thinking': "
            + $"false}}, "
        + "'response_format': {'type': 'text'}, 'user': 'me', 'stop': null, 'frequency_penalty': 0.5, 'presence_penalty': 0}")).Status);

    [TestMethod]
    public async Task Request_OtherPathMethodOrType_ReturnsAnErrorObject()
    {
        foreach (var (response, status) in new[]
        {
            (await _server.Http.GetAsync("/v1/embeddings"), 404),
            (await _server.Http.GetAsync("/v1/chat/completions"), 405),
            (await _server.Http.PostAsync("/v1/chat/completions", new StringContent($"{{{Question.Replace('\'', '"')}}}")), 415), // as text/plain
        })
        {
            Assert.AreEqual(status, (int)response.StatusCode);
            var error = JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.AreEqual("invalid_request_error", error.GetProperty("type").GetString());
            response.Dispose();
        }
    }

    private static string Text(JsonElement body) => body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
