using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>What cannot be answered ends in one error object of the class 400, whatever it is.</summary>
[TestClass]
public sealed class RefusalTests
{
    private const string Question = RunningServer.Question;

    private static RunningServer _server = null!;

    [ClassInitialize]
    public static async Task StartAsync(TestContext _) => _server = await RunningServer.StartAsync("--maximum-body-bytes 6000000");

    [ClassCleanup]
    public static async Task StopAsync() => await _server.DisposeAsync();

    [TestMethod]
    public async Task Get_UnknownModel_IsNotFound()
    {
        using var response = await _server.Http.GetAsync("/v1/models/gpt%2Fx");
        Assert.AreEqual(404, (int)response.StatusCode);
        StringAssert.Contains(await response.Content.ReadAsStringAsync(), "There is no model 'gpt/x' here; there is 'tiny'.");
    }

    [TestMethod]
    [DataRow("{", 400, null, null, "no valid JSON")]
    [DataRow("null", 400, null, null, "null")]
    [DataRow("{'messages': []}", 400, "messages", null, "'messages' must be a list of one message or more.")]
    [DataRow("{'messages': [{'role': 'user'}]}", 400, "messages[0].content", null, "must be a text or a list of parts of the type text")]
    [DataRow("{'messages': [{'role': 'user', 'content': [{'type': 'image_url', 'image_url': {'url': 'x'}}]}]}", 400, "messages[0].content", null,
        "must be a text")]
    [DataRow("{'messages': [{'content': 'x'}]}", 400, "messages[0].role", null, "is missing")]
    [DataRow("{'messages': [{'role': 'tool', 'content': '5'}]}", 400, "messages[0].tool_call_id", null, "which call is answered?")]
    [DataRow("{'messages': [{'role': 'tool', 'content': '5', 'tool_call_id': 'x'}]}", 400, null, null, "the result of the call \"x\"")]
    [DataRow("{'messages': [{'role': 'critic', 'content': '5'}]}", 400, "messages[0].role", null,
        "'messages[0].role' must be system, developer, user, assistant or tool; it is 'critic'.")]
    [DataRow("{'messages': [{'role': 'assistant', 'content': null, 'tool_calls': [{}]}]}", 400, "messages[0].tool_calls[0].id", null, "a text")]
    [DataRow("{'messages': [{'role': 'assistant', 'tool_calls': 5}]}", 400, "messages[0].tool_calls", null, "must be a list")]
    [DataRow("{'messages': [{'role': 'user', 'content': 'x', 'tool_calls': [{'id': 'a', 'function': {'name': 'f', 'arguments': '{}'}}]}]}", 400,
        "messages[0].tool_calls", null, "needs the role assistant")]
    [DataRow("{'messages': [{'role': 'assistant', 'tool_calls': [{'id': 'a', 'function': {'name': 'f', 'arguments': '{'}}]}]}", 400,
        "messages[0].tool_calls[0].function.arguments", null, "no valid JSON")]
    [DataRow("{'messages': [{'role': 'assistant', 'tool_calls': [{'id': 'a', 'function': {'name': 'f', 'arguments': '[1]'}}]}]}", 400,
        "messages[0].tool_calls[0].function.arguments", null, "an object of JSON")]
    [DataRow("{'messages': [{'role': 'assistant', 'content': 'x', 'function_call': {'name': 'f'}}]}", 400, "messages[0].function_call",
        "unsupported_parameter", "'tool_calls' stands in its place")]
    [DataRow("{'model': 'gpt-x', " + Question + "}", 404, "model", "model_not_found", "There is no model 'gpt-x' here; there is 'tiny'.")]
    [DataRow("{'temperature': 'hot', " + Question + "}", 400, "temperature", null, "'temperature' must be a number.")]
    [DataRow("{'seed': 1.5, " + Question + "}", 400, "seed", null, "'seed' must be a whole number.")]
    [DataRow("{'max_tokens': 99999999999, " + Question + "}", 400, "max_tokens", null, "'max_tokens' must be a whole number.")]
    [DataRow("{'max_tokens': 0, " + Question + "}", 400, "max_tokens", null, "option MaximumNewTokens: found 0; expected 1 or more.")]
    [DataRow("{'max_completion_tokens': 0, " + Question + "}", 400, "max_completion_tokens", null, "'max_completion_tokens' must be 1 or more.")]
    [DataRow("{'stream': 1, " + Question + "}", 400, "stream", null, "'stream' must be true or false.")]
    [DataRow("{'model': 5, " + Question + "}", 400, "model", null, "'model' must be a text.")]
    [DataRow("{'messages': 'Hello'}", 400, "messages", null, "'messages' must be a list.")]
    [DataRow("{'messages': ['Hello']}", 400, "messages[0]", null, "'messages[0]' must be an object.")]
    [DataRow("{'messages': [{'role': 5}]}", 400, "messages[0].role", null, "'messages[0].role' must be a text.")]
    [DataRow("{'seed': 1, 'seed': 2, " + Question + "}", 400, "seed", null, "no valid JSON")]
    [DataRow("{'temprature': 1, " + Question + "}", 400, "temprature", "unsupported_parameter",
        "'temprature' is no field of this request. Did you mean 'temperature'?")]
    [DataRow("{'mesages': []}", 400, "mesages", "unsupported_parameter", "'mesages' is no field of this request. Did you mean 'messages'?")]
    [DataRow("{'audio': {}, " + Question + "}", 400, "audio", "unsupported_parameter", "'audio' is no field of this request. Leave it out.")]
    [DataRow("{'min_p': 2, " + Question + "}", 400, "min_p", null, "option MinP: found 2")]
    [DataRow("{'reasoning_effort': 'enormous', " + Question + "}", 400, "reasoning_effort", null, "must be none, minimal, low, medium or high")]
    [DataRow("{'temperature': -1, " + Question + "}", 400, "temperature", null, "option Temperature: found -1")]
    [DataRow("{'temperature': -1, 'stream': true, " + Question + "}", 400, "temperature", null, "option Temperature: found -1")]
    [DataRow("{'stop': 5, " + Question + "}", 400, "stop", null, "'stop' must be a string or a list of strings.")]
    [DataRow("{'n': 0, " + Question + "}", 400, "n", null, "'n' must be a whole number from 1 to 64.")]
    [DataRow("{'n': 2147483647, " + Question + "}", 400, "n", null, "this server writes at most 64 at the same time")]
    [DataRow("{'top_logprobs': 2, " + Question + "}", 400, "top_logprobs", null, "'top_logprobs' needs 'logprobs': true.")]
    [DataRow("{'logprobs': true, 'top_logprobs': 21, " + Question + "}", 400, "top_logprobs", null, "option TopLogProbabilities: found 21")]
    [DataRow("{'chat_template_kwargs': 5, " + Question + "}", 400, "chat_template_kwargs", null, "expected an object of names and values")]
    [DataRow("{'logit_bias': {'1': 5}, " + Question + "}", 400, "logit_bias", "unsupported_parameter", "not supported")]
    [DataRow("{'tools': [{}], " + Question + "}", 400, "tools[0].function.name", null, "must be a text")]
    [DataRow("{'tools': {'a': 1}, " + Question + "}", 400, "tools", null, "must be a list")]
    [DataRow("{'tools': [{'type': 'web_search'}], " + Question + "}", 400, "tools[0].type", "unsupported_parameter", "must be function")]
    [DataRow("{'tools': [{'type': 'function', 'function': {'name': 'f'}}], " + Question + "}", 400, "tools", null,
        "a model whose chat template shows no tools")]
    [DataRow("{'tool_choice': 'any', " + Question + "}", 400, "tool_choice", null, "must be none, auto, required or")]
    [DataRow("{'tool_choice': 'required', " + Question + "}", 400, "tool_choice", null, "one tool or more to call")]
    [DataRow("{'functions': [{}], " + Question + "}", 400, "functions", "unsupported_parameter", "this server gives 'tools' in place of them")]
    [DataRow("{'response_format': {'type': 5}, " + Question + "}", 400, "response_format", null, "must be an object whose type is text,")]
    [DataRow("{'response_format': 'text', " + Question + "}", 400, "response_format", null, "must be an object whose type is text,")]
    [DataRow("{'response_format': [1], " + Question + "}", 400, "response_format", null, "must be an object whose type is text,")]
    [DataRow("{'messages': [null]}", 400, "messages[0]", null, "'messages[0]' is null.")]
    [DataRow("{'messages': [{'role': 'user', 'content': 'x'}, null]}", 400, "messages[1]", null, "'messages[1]' is null.")]
    [DataRow("{'messages': [{'role': 'user', 'content': '\\ud800'}]}", 400, null, null, "not Unicode")]
    [DataRow("{'messages': [{'role': 'user', 'content': [{'type': 'text', 'text': '\\udfff'}]}]}", 400, null, null, "not Unicode")]
    [DataRow("{'stop': '\\ud800', " + Question + "}", 400, null, null, "not Unicode")]
    [DataRow("{'stop': ['\\ud800x'], " + Question + "}", 400, null, null, "not Unicode")]
    [DataRow("{'chat_template_kwargs': {'a': '\\ud800'}, " + Question + "}", 400, "chat_template_kwargs", null, "half of a surrogate pair")]
    [DataRow("{'response_format': {'type': 'json_schema'}, " + Question + "}", 400, "response_format.json_schema.schema", null, "is missing")]
    [DataRow("{'response_format': {'type': 'json_schema', 'json_schema': {'schema': {'format': 'x', 'not': {}}}}, " + Question + "}", 400,
        "response_format", null, "the keyword not")]
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
    [DataRow("{'prompt': 5}", "prompt", "'prompt' must be a text, a list of texts, a list of token ids or a list of such lists.")]
    [DataRow("{}", "prompt", "'prompt' must be a text")]
    [DataRow("{'prompt': []}", "prompt", "'prompt' must be a text")]
    [DataRow("{'prompt': ['a', 5]}", "prompt", "'prompt' must be a text")]
    [DataRow("{'prompt': [1, 'a']}", "prompt", "'prompt' must be a text")]
    [DataRow("{'prompt': [1.5]}", "prompt", "'prompt' must be a text")]
    [DataRow("{'prompt': [-1]}", null, "-1")]
    [DataRow("{'prompt': [260]}", null, "260")]
    [DataRow("{'prompt': [[]]}", null, "prompt 1: found no tokens; expected one or more.")]
    [DataRow("{'prompt': 'a', 'echo': true}", "echo",
        "'echo' is not supported: this server gives the continuation without the prompt. Leave it out.")]
    [DataRow("{'prompt': 'a', 'suffix': 'b'}", "suffix", "not supported")]
    [DataRow("{'prompt': 'a', 'best_of': 3}", "best_of", "not supported")]
    [DataRow("{'prompt': 'a', 'logprobs': 21}", "logprobs", "'logprobs' must be a whole number from 0 to 20.")]
    [DataRow("{'prompt': 'a', 'logprobs': true}", "logprobs", "'logprobs' must be a whole number.")]
    [DataRow("{'prompt': 'a', 'messages': []}", "messages", "'messages' is no field of this request.")]
    [DataRow("{'prompt': '\\ud800'}", null, "not Unicode")]
    public async Task PostText_BadRequest_ReturnsAnErrorObject(string json, string? parameter, string message)
    {
        var (status, body) = await _server.PostAsync(json, "/v1/completions");
        Assert.AreEqual(400, status);
        StringAssert.Contains(body.GetProperty("error").GetProperty("message").GetString(), message);
        Assert.AreEqual(parameter, body.GetProperty("error").GetProperty("param").GetString());
    }

    [TestMethod]
    public async Task Post_DeepNesting_IsABadRequest()
    {
        foreach (var deep in new[] { new string('[', 100_000), string.Concat(Enumerable.Repeat("{\"a\":", 100_000)) })
        {
            foreach (var body in new[] { deep, $"{{\"messages\": {deep}", $"{{\"chat_template_kwargs\": {deep}", $"{{\"x\": {deep}" })
            {
                var (status, answer) = await _server.PostAsync(body);
                Assert.AreEqual(400, status);
                var message = answer.GetProperty("error").GetProperty("message").GetString()!;
                Assert.IsFalse(message.Contains("System.", StringComparison.Ordinal) || message.Contains("Nlft", StringComparison.Ordinal), message);
            }
        }
    }

    [TestMethod]
    public async Task Post_BodyBeyondTheLimit_IsRefused()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions")
        {
            Content = RunningServer.Body($"{{'messages': [{{'role': 'user', 'content': '{new string('a', 6_000_000)}'}}]}}"),
            Headers = { ExpectContinue = true }, // else the client may still be sending when the connection is closed
        };
        using var response = await _server.Http.SendAsync(request);
        Assert.AreEqual(413, (int)response.StatusCode);
        StringAssert.Contains(await response.Content.ReadAsStringAsync(), "The body cannot be read: Request body too large.");
    }

    [TestMethod]
    public async Task Post_PromptBeyondTheLimitOfTokens_IsRefused()
    {
        var (status, body) = await _server.PostAsync($"{{'prompt': '{new string('a', 9000)}'}}", "/v1/completions");
        Assert.AreEqual(400, status);
        Assert.AreEqual("the prompt: found 9000 tokens; expected fewer than 8192, the most that prompt and answer may have together. "
            + "Shorten the prompt.", body.GetProperty("error").GetProperty("message").GetString());
        (status, body) = await _server.PostAsync($"{{'prompt': '{new string('a', 5_000_000)}'}}", "/v1/completions");
        Assert.AreEqual(400, status);
        Assert.StartsWith("the prompt: found 5000000 characters; expected at most 4194304: the model reads 16384 tokens.",
            body.GetProperty("error").GetProperty("message").GetString()!);
    }

    [TestMethod]
    public async Task Post_OptionsWithoutEffect_AreAccepted() => Assert.AreEqual(200, (await _server.PostAsync(
        $"{{{Question}, 'n': 1, 'tools': [], 'logit_bias': {{}}, 'logprobs': false, 'top_logprobs': 0, 'chat_template_kwargs': {{'enable_thinking': "
            + $"false}}, "
        + "'response_format': {'type': 'text'}, 'user': 'me', 'stop': null, 'frequency_penalty': 0.5, 'presence_penalty': 0, "
        + "'store': false, 'metadata': {'a': 'b'}, 'tool_choice': 'auto', 'parallel_tool_calls': true, 'service_tier': 'auto', 'x': null}")).Status);

    [TestMethod]
    public async Task Request_OtherPathMethodOrType_ReturnsAnErrorObject()
    {
        foreach (var (response, status) in new[]
        {
            (await _server.Http.GetAsync("/v1/embeddings"), 404),
            (await _server.Http.GetAsync("/v1/chat/completions"), 405),
            (await _server.Http.GetAsync("/v1/completions"), 405),
            (await _server.Http.PostAsync("/health", null), 405),
            (await _server.Http.SendAsync(new(HttpMethod.Options, "/v1/chat/completions")), 405),
            (await _server.Http.PostAsync("/v1/chat/completions", new StringContent($"{{{Question.Replace('\'', '"')}}}")), 415), // as text/plain
        })
        {
            Assert.AreEqual(status, (int)response.StatusCode);
            Assert.IsFalse(response.Headers.Any(header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase)));
            var error = JsonElement.Parse(await response.Content.ReadAsStringAsync()).GetProperty("error");
            Assert.AreEqual("invalid_request_error", error.GetProperty("type").GetString());
            response.Dispose();
        }
    }
}
