using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>The tool under the launchers that are installed: two processes train and answer as one, and say it once.</summary>
[TestClass]
public sealed class SeveralProcessesTests
{
    [TestMethod]
    [TestCategory("Slow")]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void TrainAndEvaluate_TwoProcesses_EqualOneProcess(string launcher)
    {
        using var tool = new ToolRun();
        var samples = Path.Combine(Fixtures.RepositoryRoot(), "samples");
        var two = new Launcher(launcher) { Assembly = typeof(NlftTool).Assembly.Location };
        var questions =
            tool.PathOf(tool.Write("questions.jsonl",
            string.Join('\n', File.ReadLines(Path.Combine(samples, "data", "test-corrected.jsonl")).Take(12))));
        string[] Train(string output) =>
            ["train", "--model", Path.Combine(samples, "models", "tiny-word-problems"), "--data",
            Path.Combine(samples, "data", "rows.jsonl"), "--output", tool.PathOf(output),
            "--epochs", "2", "--batch-size", "4", "--learning-rate", "0.0005"];
        string[] Evaluate(string adapter) => ["evaluate", "--adapter", tool.PathOf(adapter), "--data", questions];

        tool.Succeed(Train("one"));
        var trained = two.Run(2, Train("two")).Require(ExitCode.Success);
        Assert.HasCount(2, trained.Output.Split(" steps, last loss "), $"one process says the result: {trained.Output}");
        var (one, both) = (LoraAdapter.Load(tool.PathOf("one")), LoraAdapter.Load(tool.PathOf("two")));
        foreach (var (expected, actual) in one.Factors.Zip(both.Factors, (a, b) => (a, b)))
            for (var i = 0; i < expected.Values.Length; i++) Assert.AreEqual(expected.Values[i], actual.Values[i], 1e-5, $"{expected.Name}[{i}]");

        // Open MPI gives the first process a terminal, which .NET would set up on its standard output.
        Assert.AreEqual(tool.Succeed(Evaluate("two")), two.Run(2, Evaluate("two"), [("TERM", "dumb")]).Require(ExitCode.Success).Output);
    }
}
