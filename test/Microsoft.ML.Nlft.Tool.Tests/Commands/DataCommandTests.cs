using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>The commands that make a training set: generate, judge, select, export.</summary>
[TestClass]
public sealed class DataCommandTests
{
    private readonly ToolRun _tool = new();

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    public void Generate_gives_several_responses_and_goes_on_with_an_interrupted_run()
    {
        const string command = "generate --model MODEL --data rows.csv --output responses.jsonl --samples 3 --temperature 1 --maximum-new-tokens 5 --maximum-batch-size 2";
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
    public void Generate_refuses_the_journal_of_another_run()
    {
        _tool.WriteRows();
        _tool.Write("answers.jsonl.partial", "{\"Run\":\"another\"}\n");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("generate --model MODEL --data rows.csv --output answers.jsonl --maximum-new-tokens 2"));
        Assert.Contains("answers.jsonl.partial: found an interrupted run of another; expected responses, 1 a question", _tool.Error);
    }

    [TestMethod]
    public void Judge_asks_a_model_and_leaves_out_what_cannot_be_parsed()
    {
        _tool.WriteRows();
        Assert.AreEqual("", _tool.Succeed("judge --data rows.csv --model MODEL"));
        Assert.Contains("3 rows: 0 right, 0 with a judgment, 3 left out: their verdict could not be parsed.", _tool.Error);
    }

    [TestMethod]
    public void Select_draws_a_ratio_and_says_what_there_is_when_it_cannot()
    {
        _tool.WriteRows();
        _tool.Succeed("select --data rows.csv --count 2 --ratio incorrect --output two.jsonl");
        Assert.IsTrue(DataFile.ReadExamples(_tool.PathOf("two.jsonl")).All(row => row.Judgment is not null));
        Assert.Contains("2 of 3 rows: 0 correct, 2 incorrect.", _tool.Error);

        Assert.AreEqual(ExitCode.BadInput, _tool.Run("select --data rows.csv --count 3 --ratio 2:1"));
        Assert.Contains("nlft: rows to select from: found 3 rows, 1 correct and 2 incorrect; expected 2 correct and 1 incorrect, for 3 at 2:1.", _tool.Error);
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("select --data rows.csv --count 3 --ratio half"));
    }

    [TestMethod]
    public void Export_writes_the_format_that_is_named_and_reads_it_again()
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
