using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>Chat completions as an HTTP client sees them.</summary>
[TestClass]
public sealed class ChatCompletionsTests
{
    private const string Question = RunningServer.Question;

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

    /// <summary>Each turn computes what the turns before did not, and every answer is that of a server that keeps nothing.</summary>
    [TestMethod]
    public async Task Post_TurnsOfAConversation_ComputeTheirOwnTokens()
    {
        await using var keeping = await RunningServer.StartAsync();
        await using var forgetting = await RunningServer.StartAsync("--prompt-cache-memory 0");
        var (conversation, read) = ("{'role': 'system', 'content': 'Answer in one word.'}", 0);
        foreach (var question in new[] { "What is 2 + 3?", "And 4 + 5?", "Why?" })
        {
            conversation += $", {{'role': 'user', 'content': '{question}'}}";
            var body = $"{{'messages': [{conversation}], 'max_tokens': 9}}";
            JsonElement kept = (await keeping.PostAsync(body)).Body, whole = (await forgetting.PostAsync(body)).Body;
            Assert.AreEqual(Text(whole), Text(kept));
            Assert.AreEqual(0, Cached(whole));
            Assert.AreEqual(read, Cached(kept), question);
            read = kept.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(); // the next turn begins with all of this prompt
            conversation += $", {{'role': 'assistant', 'content': {JsonSerializer.Serialize(Text(kept))}}}";
        }
        var last = (await keeping.PostAsync($"{{'messages': [{conversation}, {{'role': 'user', 'content': 'x'}}], 'n': 3, 'max_tokens': 2}}")).Body;
        var prompt = last.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        Assert.IsInRange(read, prompt - 1, Cached(last)); // once for three answers, of which the first need not be the first to run
        StringAssert.Contains(await keeping.Http.GetStringAsync("/metrics"), "nlft_cached_prompt_tokens_total{model=\"tiny\"} ");

        static int Cached(JsonElement body) =>
            body.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
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
    [Timeout(300_000)]
    public async Task Stream_ClientDisconnects_FreesTheModel()
    {
        await foreach (var _ in _server.StreamAsync($"{{{Question}, 'stream': true, 'max_tokens': 16000}}")) break; // minutes, if it ran on
        Assert.AreEqual(200, (await _server.PostAsync($"{{{Question}}}")).Status);
    }

    [TestMethod]
    public async Task Post_SeveralAnswers_AreThoseOfTheNextSeeds()
    {
        var settings = $"{Question}, 'temperature': 1, 'max_tokens': 9";
        var alone = new List<string>();
        for (var i = 0; i < 3; i++) alone.Add(Text((await _server.PostAsync($"{{{settings}, 'seed': {5 + i}}}")).Body));
        var body = (await _server.PostAsync($"{{{settings}, 'seed': 5, 'n': 3}}")).Body;
        CollectionAssert.AreEqual(alone, body.GetProperty("choices").EnumerateArray().OrderBy(choice => choice.GetProperty("index").GetInt32())
            .Select(choice => choice.GetProperty("message").GetProperty("content").GetString()).ToArray());
        Assert.AreEqual(27, body.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        var prompt = body.GetProperty("usage").GetProperty("prompt_tokens").GetInt32();
        Assert.AreEqual(_server.Model.Prompts.EncodeQuestion("What is 2 + 3?").Length, prompt);
        var streamed = new[] { "", "", "" };
        await foreach (var data in _server.StreamAsync($"{{{settings}, 'seed': 5, 'n': 3, 'stream': true}}"))
        {
            if (data == "[DONE]") continue;
            var choice = JsonElement.Parse(data).GetProperty("choices")[0];
            if (choice.GetProperty("delta").TryGetProperty("content", out var piece))
                streamed[choice.GetProperty("index").GetInt32()] += piece.GetString();
        }
        CollectionAssert.AreEqual(alone, streamed);
    }

    [TestMethod]
    public async Task Post_ExtensionsOfSampling_AreThoseOfTheLibrary()
    {
        var options = new GenerationOptions { MaximumNewTokens = 30, Temperature = 1, Seed = 4, TopK = 40, MinP = 0.02, RepetitionPenalty = 1.7 };
        var expected = _server.Model.Answer(["What is 2 + 3?"], options)[0].Text;
        const string common = $"{Question}, 'max_tokens': 30, 'temperature': 1, 'seed': 4, 'top_k': 40";
        Assert.AreEqual(expected, Text((await _server.PostAsync($"{{{common}, 'min_p': 0.02, 'repetition_penalty': 1.7}}")).Body));
        Assert.AreNotEqual(expected, Text((await _server.PostAsync($"{{{common}}}")).Body));
    }

    private static string Text(JsonElement body) => body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
}
