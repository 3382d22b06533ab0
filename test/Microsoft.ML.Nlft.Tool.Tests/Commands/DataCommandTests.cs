using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>Tests the commands that make a training set: generate, judge, select, export.</summary>
[TestClass]
public sealed class DataCommandTests
{
    private readonly ToolRun _tool = new();

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    public void Generate_InterruptedRun_ResumesWithSeveralResponses()
    {
        const string command = "generate --model MODEL --data rows.csv --output responses.jsonl --samples 3 --temperature 1 "
            + "--maximum-new-tokens 5 --maximum-batch-size 2";
        _tool.WriteRows();
        _tool.Succeed(command);
        var whole = File.ReadAllText(_tool.PathOf("responses.jsonl"));
        Assert.HasCount(9, whole.Trim().Split('\n'));
        Assert.IsFalse(File.Exists(_tool.PathOf("responses.jsonl.partial")));

        File.Delete(_tool.PathOf("responses.jsonl"));
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.AreEqual(ExitCode.Cancelled, _tool.Run(command, cancellationToken: stop.Token));
        Assert.IsFalse(File.Exists(_tool.PathOf("responses.jsonl")));
        _tool.Succeed(command);
        Assert.AreEqual(whole, File.ReadAllText(_tool.PathOf("responses.jsonl")));
    }

    [TestMethod]
    public void Generate_JournalOfAnotherRun_IsRefused()
    {
        _tool.WriteRows();
        _tool.Write("answers.jsonl.partial", "{\"Run\":\"another\"}\n");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("generate --model MODEL --data rows.csv --output answers.jsonl --maximum-new-tokens 2"));
        Assert.Contains("answers.jsonl.partial: found an interrupted run of another; expected responses, 1 a question", _tool.Error);
    }

    [TestMethod]
    public void Judge_ModelWithoutAVerdict_LeavesTheRowOut()
    {
        _tool.WriteRows();
        Assert.AreEqual("", _tool.Succeed("judge --data rows.csv --model MODEL"));
        Assert.Contains("3 rows: 0 right, 0 with a judgment, 3 left out: their verdict could not be parsed.", _tool.Error);
    }

    [TestMethod]
    public void Select_Ratio_IsDrawnOrRefusedWithTheCounts()
    {
        _tool.WriteRows();
        _tool.Succeed("select --data rows.csv --count 2 --ratio incorrect --output two.jsonl");
        Assert.IsTrue(DataFile.ReadExamples(_tool.PathOf("two.jsonl")).All(row => row.Judgment is not null));
        Assert.Contains("2 of 3 rows: 0 correct, 2 incorrect.", _tool.Error);

        Assert.AreEqual(ExitCode.BadInput, _tool.Run("select --data rows.csv --count 3 --ratio 2:1"));
        Assert.Contains("nlft: rows to select from: found 3 rows, 1 correct and 2 incorrect; expected 2 correct and 1 incorrect, for 3 at 2:1.",
            _tool.Error);
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("select --data rows.csv --count 3 --ratio half"));
    }

    [TestMethod]
    public void JudgeAndSelect_IdAndScore_AreKept()
    {
        _tool.Write("rows.jsonl", """{"Id":"7","Question":"2+3?","Response":"6","Answer":"5","Score":0.5}""");
        _tool.Succeed("judge --data rows.jsonl --output judged.jsonl");
        var row = """
            {"Id":"7","Question":"2+3?","Response":"6","Judgment":"The final answer 6 is wrong: the right answer is 5.","Answer":"5","Score":0.5}
            """;
        Assert.AreEqual(row + "\n", File.ReadAllText(_tool.PathOf("judged.jsonl")));
        Assert.AreEqual(row, _tool.Succeed("select --data judged.jsonl --count 1").TrimEnd());
    }

    [TestMethod]
    public void Export_NamedFormat_IsWrittenAndReadAgain()
    {
        _tool.WriteRows();
        _tool.Succeed("export --data rows.csv --output nlft.json");
        _tool.Succeed("export --data nlft.json --output back.csv");
        CollectionAssert.AreEqual(
            DataFile.Read(_tool.PathOf("rows.csv")).Select(row => row with { Source = "" }).ToArray(),
            DataFile.Read(_tool.PathOf("back.csv")).Select(row => row with { Source = "", Id = null }).ToArray());
        _tool.Succeed("export --data rows.csv --output sft.jsonl --format sft");
        Assert.StartsWith("""{"prompt":"2+3?","completion":"2+3=6\n#### 6"}""", File.ReadAllText(_tool.PathOf("sft.jsonl")));
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("export --data rows.csv --output x.jsonl --format gsm8k"));
        Assert.AreEqual(ExitCode.Usage, _tool.Run("export --data rows.csv --output x.jsonl --format xml"));
    }
}
