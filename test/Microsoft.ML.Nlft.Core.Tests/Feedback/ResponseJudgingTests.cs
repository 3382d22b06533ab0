using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

[TestClass]
public sealed class ResponseJudgingTests
{
    private readonly TemporaryFolder _folder = new();

    private string Journal => Path.Combine(_folder.Path, "journal");

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public async Task ToSetAsync_UnparsableVerdicts_AreLeftOutAndCounted()
    {
        var reports = new List<DataProgress>();
        var client = new ScriptedChatClient((_, text) => text.Contains("q1\n") ? "It cannot be said that it is correct."
            : text.Contains("q2\n") ? "VERDICT: INCORRECT\nJUDGMENT: No." : "VERDICT: CORRECT");
        var judged = await new ChatJudge(client).JudgeAllAsync(Rows(5), new() { Progress = new Listener(reports), RowCount = 5 }).ToSetAsync();

        Assert.AreEqual((3, 1, 1), (judged.Correct, judged.Incorrect, judged.Unparsable.Count));
        Assert.AreEqual("q1", judged.Unparsable[0].Row.Question);
        CollectionAssert.AreEqual(new[] { "q0", "q2", "q3", "q4" }, judged.Rows.Select(row => row.Question).ToArray());
        Assert.AreEqual((5, 5, 3, 1, 1), (reports[^1].Done, reports[^1].Total, reports[^1].Correct, reports[^1].Incorrect, reports[^1].Unparsable));
    }

    [TestMethod]
    public async Task JudgeAllAsync_SlowReplies_KeepsTheOrderAndTheLimit()
    {
        var client = new ScriptedChatClient(async (call, text, stop) =>
        {
            await Task.Delay(call % 3 * 10, stop);
            return ScriptedChatClient.Reply($"VERDICT: INCORRECT\nJUDGMENT: {text}");
        });
        var judge = new ChatJudge(client, new() { Template = "{question}|{answer}|{response}", MaximumParallelism = 3 });
        var judged = await judge.JudgeAllAsync(Rows(20)).ToSetAsync();

        CollectionAssert.AreEqual(Enumerable.Range(0, 20).Select(i => $"q{i}|5|6").ToArray(), judged.Rows.Select(row => row.Judgment).ToArray());
        Assert.IsInRange(2, 3, client.Most);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public async Task JudgeAllAsync_KilledRun_ResumesWhereItStopped(int parallelism)
    {
        const int count = 30;
        var asked = new List<string>();
        var fails = true;
        var client = new ScriptedChatClient((_, text) =>
        {
            lock (asked)
            {
                if (fails && asked.Count >= 11) throw new InvalidOperationException("the process ends");
                asked.Add(text);
            }
            return text.Contains('7') ? "nonsense" : $"VERDICT: INCORRECT\nJUDGMENT: {text}";
        });
        var judge = new ChatJudge(client, new() { Template = "{question}|{answer}|{response}", MaximumParallelism = parallelism });
        await Assert.ThrowsExactlyAsync<InvalidOperationException>(() =>
            judge.JudgeAllAsync(Rows(count), new() { Journal = Journal }).ToSetAsync());
        File.AppendAllText(Journal, "{\"Index\":29,\"Row\":\"ab"); // the disk had half of a line

        fails = false;
        var judged = await judge.JudgeAllAsync(Rows(count), new() { Journal = Journal }).ToSetAsync();
        Assert.HasCount(count, asked.Distinct());
        Assert.HasCount(count, asked, "a row was judged twice");
        Assert.AreEqual((27, 3), (judged.Rows.Count, judged.Unparsable.Count));
        Assert.IsTrue(judged.Rows.All(row => row.Judgment == $"{row.Question}|5|6"));
    }

    [TestMethod]
    public async Task JudgeAllAsync_JournalOfAnotherRun_IsRefused()
    {
        await new RuleBasedJudge().JudgeAllAsync(Rows(3), new() { Journal = Journal }).ToSetAsync();

        var chat = new ChatJudge(new ScriptedChatClient((_, _) => "VERDICT: CORRECT"));
        Assert.Contains("found an interrupted run of rule-based judge; expected chat judge ScriptedChatClient", await Refused(chat, Rows(3)));
        Assert.Contains("result 0: found the result of another row",
            await Refused(new RuleBasedJudge(), Rows(3).Select(row => row with { Response = "7" })));
        _folder.Write("journal", "{\"Question\":\"q\"}\n");
        Assert.Contains("found no journal", await Refused(new RuleBasedJudge(), Rows(3)));
        _folder.Write("journal", "my notes\n");
        Assert.Contains("found no journal", await Refused(new RuleBasedJudge(), Rows(3)));
        Assert.AreEqual("my notes\n", File.ReadAllText(Journal));
    }

    [TestMethod]
    [DataRow("plain", 0)]
    [DataRow("mark", 0)]
    [DataRow("duplicate key in line 1", -1)]
    [DataRow("duplicate key in line 2", 3)]
    [DataRow("duplicate key in line 4", 1)]
    [DataRow("half a surrogate pair in line 3", 2)]
    [DataRow("no text in line 3", 2)]
    public async Task JudgeAllAsync_JournalLineThatBreaksARule_IsJudgedAgainWithAllAfterIt(string change, int judgedAgain)
    {
        var asked = 0;
        var judge = new ChatJudge(new ScriptedChatClient((_, _) => Interlocked.Increment(ref asked) > 0 ? "VERDICT: CORRECT" : ""),
            new() { MaximumParallelism = 1 });
        await judge.JudgeAllAsync(Rows(3), new() { Journal = Journal }).ToSetAsync();
        var lines = File.ReadAllText(Journal).TrimEnd('\n').Split('\n');
        var line = char.IsDigit(change[^1]) ? change[^1] - '1' : 0;
        lines[line] = change.Split(" in ")[0] switch
        {
            "mark" => "\uFEFF" + lines[line],
            "duplicate key" => lines[line][..^1] + "," + lines[line][1..],
            "half a surrogate pair" => lines[line][..^1] + ",\"Note\":\"\\ud800\"}",
            "no text" => "\0\0\0",
            _ => lines[line],
        };
        File.WriteAllText(Journal, string.Join('\n', lines) + "\n");
        asked = 0;

        if (judgedAgain < 0) Assert.Contains("found no journal", await Refused(judge, Rows(3)));
        else Assert.AreEqual(3, (await judge.JudgeAllAsync(Rows(3), new() { Journal = Journal }).ToSetAsync()).Correct);

        Assert.AreEqual(Math.Max(0, judgedAgain), asked);
    }

    private async Task<string> Refused(IResponseJudge judge, IAsyncEnumerable<DataRow> rows) =>
        (await Assert.ThrowsExactlyAsync<NlftException>(() => judge.JudgeAllAsync(rows, new() { Journal = Journal }).ToSetAsync())).Message;

    private static IAsyncEnumerable<DataRow> Rows(int count) =>
        Enumerable.Range(0, count).Select(i => ChatJudgeTests.Row($"q{i}", "6", i)).ToAsyncEnumerable();

    private sealed class Listener(List<DataProgress> reports) : IProgress<DataProgress>
    {
        public void Report(DataProgress value) => reports.Add(value);
    }
}
