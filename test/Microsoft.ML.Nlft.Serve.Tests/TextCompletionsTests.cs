using System.Text.Json;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>Text completions continue prompts as the model does, without a template.</summary>
[TestClass]
public sealed class TextCompletionsTests
{
    private const string Path = "/v1/completions";

    private static RunningServer _server = null!;

    [ClassInitialize]
    public static async Task StartAsync(TestContext _) => _server = await RunningServer.StartAsync();

    [ClassCleanup]
    public static async Task StopAsync() => await _server.DisposeAsync();

    [TestMethod]
    public async Task Post_EveryFormOfPrompt_IsContinued()
    {
        var ids = _server.Model.Tokenizer.Encode("2 + 3 =", addSpecialTokens: true);
        var other = _server.Model.Tokenizer.Encode("1", addSpecialTokens: true);
        var expected = _server.Model.Generate([ids, other], new() { MaximumNewTokens = 7 });
        foreach (var (prompt, answers) in new[]
        {
            ("'2 + 3 ='", expected.Take(1)), ("['2 + 3 =', '1']", expected), ($"[{string.Join(',', ids)}]", expected.Take(1)),
            ($"[[{string.Join(',', ids)}], [{string.Join(',', other)}]]", expected),
        })
        {
            var (status, body) = await _server.PostAsync($"{{'prompt': {prompt}, 'max_tokens': 7}}", Path);
            Assert.AreEqual(200, status);
            Assert.AreEqual("text_completion", body.GetProperty("object").GetString());
            Assert.StartsWith("cmpl-", body.GetProperty("id").GetString()!);
            CollectionAssert.AreEqual(answers.Select(answer => answer.Text).ToArray(), Texts(body));
            Assert.AreEqual(answers.Sum(answer => answer.PromptTokens), body.GetProperty("usage").GetProperty("prompt_tokens").GetInt32());
            Assert.AreEqual(7 * answers.Count(), body.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        }
    }

    [TestMethod]
    public async Task Post_Stream_ReturnsTheContinuationInChunks()
    {
        const string settings = "'prompt': ['a', 'b'], 'max_tokens': 30, 'temperature': 1, 'seed': 2, 'n': 2";
        var whole = (await _server.PostAsync($"{{{settings}}}", Path)).Body;
        Assert.HasCount(4, Texts(whole));
        Assert.IsGreaterThan(2, Texts(whole).Distinct().Count());
        var events = await _server.StreamAsync($"{{{settings}, 'stream': true, 'stream_options': {{'include_usage': true}}}}", Path).ToListAsync();
        Assert.AreEqual("[DONE]", events[^1]);
        var chunks = events.SkipLast(1).Select(data => JsonElement.Parse(data)).ToArray();
        Assert.AreEqual(whole.GetProperty("usage").GetRawText(), chunks[^1].GetProperty("usage").GetRawText());
        var choices = chunks.SkipLast(1).Select(chunk => chunk.GetProperty("choices")[0]).ToLookup(choice => choice.GetProperty("index").GetInt32());
        CollectionAssert.AreEqual(Texts(whole), choices.OrderBy(choice => choice.Key)
            .Select(choice => string.Concat(choice.Select(part => part.GetProperty("text").GetString()))).ToArray());
        Assert.IsTrue(choices.All(choice => choice.Last().GetProperty("finish_reason").GetString() is "length" or "stop"));
    }

    [TestMethod]
    public async Task Post_Logprobs_AreThoseOfTheModel()
    {
        var prompt = _server.Model.Tokenizer.Encode("2 + 3 =", addSpecialTokens: true);
        var expected = _server.Model.Generate([prompt], new() { MaximumNewTokens = 5, LogProbabilities = true, TopLogProbabilities = 3 })[0];
        var choice = (await _server.PostAsync("{'prompt': '2 + 3 =', 'max_tokens': 5, 'logprobs': 3}", Path)).Body.GetProperty("choices")[0];
        var logprobs = choice.GetProperty("logprobs");
        var found = logprobs.GetProperty("token_logprobs").EnumerateArray().Select(log => log.GetDouble()).ToArray();
        NumberAssert.AreClose([.. expected.LogProbabilities!], [.. found.Select(log => (float)log)], 1e-5, "log-probabilities");
        var tokens = logprobs.GetProperty("tokens").EnumerateArray().Select(token => token.GetString()!).ToArray();
        var offsets = logprobs.GetProperty("text_offset").EnumerateArray().Select(offset => offset.GetInt32()).ToArray();
        Assert.AreEqual(tokens[..^1].Sum(token => token.Length), offsets[^1]);
        Assert.AreEqual(expected.TopLogProbabilities![2][0].LogProbability,
            logprobs.GetProperty("top_logprobs")[2].EnumerateObject().First().Value.GetDouble(), 1e-9);
        Assert.AreEqual(JsonValueKind.Null, (await _server.PostAsync("{'prompt': 'a'}", Path)).Body.GetProperty("choices")[0].GetProperty("logprobs")
            .ValueKind);
        Assert.AreEqual(JsonValueKind.Null, (await _server.PostAsync("{'prompt': 'a', 'logprobs': 0}", Path)).Body.GetProperty("choices")[0]
            .GetProperty("logprobs").GetProperty("top_logprobs").ValueKind);
    }

    [TestMethod]
    public async Task Post_StopString_EndsTheContinuation()
    {
        const string settings = "'prompt': 'a', 'max_tokens': 40, 'temperature': 1, 'seed': 3";
        var text = Texts((await _server.PostAsync($"{{{settings}}}", Path)).Body)[0];
        var stop = text.Substring(text.Length / 2, 2);
        var stopped = (await _server.PostAsync($"{{{settings}, 'stop': {JsonSerializer.Serialize(stop)}}}", Path)).Body;
        Assert.AreEqual(text[..text.IndexOf(stop, StringComparison.Ordinal)], Texts(stopped)[0]);
        Assert.AreEqual("stop", stopped.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
    }

    private static string[] Texts(JsonElement body) =>
        [.. body.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()!)];
}
