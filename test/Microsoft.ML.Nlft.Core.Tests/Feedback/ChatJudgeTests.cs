using System.Net;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

[TestClass]
public sealed class ChatJudgeTests
{
    private const string Right = "VERDICT: CORRECT", Wrong = "VERDICT: INCORRECT\nJUDGMENT: The sum is 5.";

    private readonly HurriedTime _time = new();

    [TestMethod]
    public async Task The_row_is_shown_and_a_placeholder_in_it_is_text_like_any_other()
    {
        var client = new ScriptedChatClient((_, text) => text == "{answer}|5|six {response}" ? Wrong : "unexpected: " + text);
        var judge = new ChatJudge(client, new() { Template = "{question}|{answer}|{response}", MaximumOutputTokens = 99, Temperature = 0.5f });

        Assert.AreEqual(Verdict.Incorrect("The sum is 5."), await judge.JudgeAsync(Row("{answer}", "six {response}")));
        Assert.AreEqual((99, 0.5f), (client.LastOptions!.MaxOutputTokens, client.LastOptions.Temperature));
    }

    [TestMethod]
    public async Task Transient_failures_are_tried_again_after_growing_waits()
    {
        var client = new ScriptedChatClient((call, _) => call switch
        {
            1 => throw new HttpRequestException("slow down", null, HttpStatusCode.TooManyRequests),
            2 => throw new HttpRequestException("broken", null, HttpStatusCode.BadGateway),
            3 => throw new IOException("reset"),
            _ => Right,
        });
        var judge = new ChatJudge(client, new() { TimeProvider = _time });

        Assert.AreEqual(Verdict.Correct, await judge.JudgeAsync(Row()));
        Assert.AreEqual(4, client.Calls);
        Assert.HasCount(3, _time.Waits);
        for (var i = 0; i < 3; i++) Assert.IsInRange(Math.Pow(2, i) / 2, Math.Pow(2, i), _time.Waits[i].TotalSeconds, $"wait {i + 1}");
    }

    [TestMethod]
    public async Task The_last_attempt_ends_in_one_message()
    {
        var client = new ScriptedChatClient((_, _) => throw new HttpRequestException("slow down", null, HttpStatusCode.TooManyRequests));
        var judge = new ChatJudge(client, new() { TimeProvider = _time, MaximumAttempts = 3 });

        var error = await Assert.ThrowsExactlyAsync<NlftException>(() => judge.JudgeAsync(Row()));
        Assert.AreEqual("row 1, judgment: found 3 failed attempts, the last with HttpRequestException: slow down; expected a reply. Try again later: a journal keeps what is judged so far.", error.Message);
        Assert.AreEqual(3, client.Calls);
    }

    [TestMethod]
    public async Task A_lasting_failure_is_not_tried_again()
    {
        var client = new ScriptedChatClient((_, _) => throw new HttpRequestException("no such model", null, HttpStatusCode.NotFound));
        await Assert.ThrowsExactlyAsync<HttpRequestException>(() => new ChatJudge(client, new() { TimeProvider = _time }).JudgeAsync(Row()));
        Assert.AreEqual((1, 0), (client.Calls, _time.Waits.Count));
    }

    [TestMethod]
    public async Task A_reply_that_does_not_come_is_given_up_and_asked_for_again()
    {
        var client = new ScriptedChatClient(async (call, _, stop) =>
        {
            if (call == 1) await Task.Delay(Timeout.Infinite, stop);
            return ScriptedChatClient.Reply(Right);
        });
        Assert.AreEqual(Verdict.Correct, await new ChatJudge(client, new() { TimeProvider = _time, Timeout = TimeSpan.FromSeconds(90) }).JudgeAsync(Row()));
        Assert.AreEqual(2, client.Calls);
    }

    [TestMethod]
    public async Task A_reply_that_was_cut_off_is_no_verdict_even_if_it_looks_like_one()
    {
        var client = new ScriptedChatClient((_, _, _) => Task.FromResult(ScriptedChatClient.Reply(Wrong, ChatFinishReason.Length)));
        var verdict = await new ChatJudge(client).JudgeAsync(Row());
        Assert.AreEqual(VerdictKind.Unparsable, verdict.Kind);
        Assert.StartsWith("cut off at the limit of tokens", verdict.Reply!);
    }

    [TestMethod]
    public async Task Cancelling_ends_a_wait()
    {
        using var stop = new CancellationTokenSource();
        var client = new ScriptedChatClient((_, _) =>
        {
            stop.Cancel();
            throw new IOException("reset");
        });
        await Assert.ThrowsAsync<OperationCanceledException>(() => new ChatJudge(client).JudgeAsync(Row(), stop.Token));
        Assert.AreEqual(1, client.Calls);
    }

    [TestMethod]
    public async Task The_model_itself_can_be_asked()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        using var judge = ChatJudge.OfModel(model, new() { MaximumOutputTokens = 4 });
        var judged = await judge.JudgeAllAsync(Enumerable.Repeat(Row(), 5).ToAsyncEnumerable()).ToSetAsync();

        Assert.IsEmpty(judged.Rows); // a random model says nothing of use
        Assert.HasCount(5, judged.Unparsable);
    }

    [TestMethod]
    public void Options_outside_their_range_are_refused()
    {
        Assert.Contains("option Template: found \"{question}\"; expected a text with {question}, {answer} and {response}",
            Assert.ThrowsExactly<NlftException>(() => new ChatJudge(new ScriptedChatClient((_, _) => ""), new() { Template = "{question}" })).Message);
        Assert.Contains("option MaximumAttempts: found 0; expected 1 or more",
            Assert.ThrowsExactly<NlftException>(() => new ChatJudge(new ScriptedChatClient((_, _) => ""), new() { MaximumAttempts = 0 })).Message);
    }

    internal static JsonLinesRow Row(string question = "2+3?", string response = "6", int number = 1) => new(question, response, null, "5", null, $"row {number}");
}
