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
    public async Task JudgeAsync_PlaceholderInARow_StaysText()
    {
        var client = new ScriptedChatClient((_, text) => text == "{answer}|5|six {response}" ? Wrong : "unexpected: " + text);
        var judge = new ChatJudge(client, new() { Template = "{question}|{answer}|{response}", MaximumOutputTokens = 99, Temperature = 0.5f });

        Assert.AreEqual(Verdict.Incorrect("The sum is 5."), await judge.JudgeAsync(Row("{answer}", "six {response}")));
        Assert.AreEqual((99, 0.5f), (client.LastOptions!.MaxOutputTokens, client.LastOptions.Temperature));
    }

    [TestMethod]
    public async Task JudgeAsync_TransientFailures_AreRetriedAfterGrowingWaits()
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
    public async Task JudgeAsync_LastAttemptFails_SaysSo()
    {
        var client = new ScriptedChatClient((_, _) => throw new HttpRequestException("slow down", null, HttpStatusCode.TooManyRequests));
        var judge = new ChatJudge(client, new() { TimeProvider = _time, MaximumAttempts = 3 });

        var error = await Assert.ThrowsExactlyAsync<NlftException>(() => judge.JudgeAsync(Row()));
        Assert.AreEqual("row 1, judgment: found 3 failed attempts, the last with HttpRequestException: slow down; expected a reply. "
            + "Try again later: a journal keeps the verdicts so far.", error.Message);
        Assert.AreEqual(3, client.Calls);
    }

    [TestMethod]
    public async Task JudgeAsync_LastingFailure_IsNotRetried()
    {
        var client = new ScriptedChatClient((_, _) => throw new HttpRequestException("no such model", null, HttpStatusCode.NotFound));
        await Assert.ThrowsExactlyAsync<HttpRequestException>(() => new ChatJudge(client, new() { TimeProvider = _time }).JudgeAsync(Row()));
        Assert.AreEqual((1, 0), (client.Calls, _time.Waits.Count));
    }

    [TestMethod]
    public async Task JudgeAsync_NoReplyInTime_AsksAgain()
    {
        var client = new ScriptedChatClient(async (call, _, stop) =>
        {
            if (call == 1) await Task.Delay(Timeout.Infinite, stop);
            return ScriptedChatClient.Reply(Right);
        });
        var judge = new ChatJudge(client, new() { TimeProvider = _time, Timeout = TimeSpan.FromSeconds(90) });
        Assert.AreEqual(Verdict.Correct, await judge.JudgeAsync(Row()));
        Assert.AreEqual(2, client.Calls);
    }

    [TestMethod]
    public async Task JudgeAsync_ReplyThatWasCutOff_IsUnparsable()
    {
        var client = new ScriptedChatClient((_, _, _) => Task.FromResult(ScriptedChatClient.Reply(Wrong, ChatFinishReason.Length)));
        var verdict = await new ChatJudge(client).JudgeAsync(Row());
        Assert.AreEqual(VerdictKind.Unparsable, verdict.Kind);
        Assert.StartsWith("cut off at the token limit", verdict.Reply!);
    }

    [TestMethod]
    public async Task JudgeAsync_Cancelled_EndsTheWait()
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
    public async Task JudgeAllAsync_ModelItself_IsAsked()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        using var judge = ChatJudge.OfModel(model, new() { MaximumOutputTokens = 4 });
        var judged = await judge.JudgeAllAsync(Enumerable.Repeat(Row(), 5).ToAsyncEnumerable()).ToSetAsync();

        Assert.IsEmpty(judged.Rows); // a random model gives no verdict
        Assert.HasCount(5, judged.Unparsable);
    }

    [TestMethod]
    public void Create_OptionsOutsideTheirRange_AreRefused()
    {
        Assert.Contains("option Template: found \"{question}\"; expected a text with {question}, {answer} and {response}",
            Refused(new() { Template = "{question}" }));
        Assert.Contains("option MaximumAttempts: found 0; expected 1 or more",
            Refused(new() { MaximumAttempts = 0 }));

        static string Refused(ChatJudgeOptions options) =>
            Assert.ThrowsExactly<NlftException>(() => new ChatJudge(new ScriptedChatClient((_, _) => ""), options)).Message;
    }

    internal static DataRow Row(string question = "2+3?", string response = "6", int number = 1) =>
        new() { Question = question, Response = response, Answer = "5", Source = $"row {number}" };
}
