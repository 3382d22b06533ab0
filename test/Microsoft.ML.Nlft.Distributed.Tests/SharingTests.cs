using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>
/// Real processes answer and judge rows under the installed launchers, with the results of one process, each computed once.
/// </summary>
[TestClass]
public sealed class SharingTests
{
    private static readonly string s_model = Path.Combine(Fixtures.RepositoryRoot(), "samples", "models", "tiny-word-problems");

    private readonly string _folder = Directory.CreateTempSubdirectory("nlft-sharing-").FullName;

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    [TestCategory("Timing")]
    public void JudgeAll_SlowProcess_GetsLessWorkAndAllResultsInOrder(string launcher)
    {
        Launcher.RunAlone(["judge", "rows=600", Output("alone")]).Require(0);
        var run = new Launcher(launcher).Run(3, ["judge", "rows=600", "slow=1", "chunk=4", Output("shared")]).Require(0);
        RequireEqual("alone", "shared", 3);
        var judged = Counts(run, "judged");
        Assert.AreEqual(600, judged.Sum(), run.Output);
        Assert.IsTrue(judged.All(count => count % 4 == 0 && count > 0), run.Output);
        Assert.IsLessThan(judged[2] / 2, judged[1], $"22 ms a row against 2 ms: {run.Output}");
    }

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void JudgeAll_ProcessKilled_ResumesWithAnotherNumber(string launcher)
    {
        Launcher.RunAlone(["judge", "rows=200", Output("alone")]).Require(0);
        string[] rows = ["judge", "rows=200", $"journal={Path.Combine(_folder, "journal")}"];
        var killed = new Launcher(launcher).Run(3, [.. rows, "chunk=4", "slow=0", "killed=1", "after=21", Output("killed")]);
        Assert.AreNotEqual(0, killed.ExitCode, killed.Output);
        Assert.IsFalse(File.Exists(Path.Combine(_folder, "killed.0")));
        var done = File.ReadAllLines(Path.Combine(_folder, "journal")).Length - 1;
        Assert.IsInRange(20, 199, done); // chunks that the killed process completed are kept, its current one is not

        var resumed = new Launcher(launcher).Run(2, [.. rows, Output("resumed")]).Require(0);
        RequireEqual("alone", "resumed", 2);
        Assert.AreEqual(200 - done, Counts(resumed, "judged").Sum(), resumed.Output);
        Assert.HasCount(1 + 200, File.ReadAllLines(Path.Combine(_folder, "journal")).Distinct().ToArray());
    }

    [TestMethod]
    [TestCategory("Slow")]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void Generate_SeveralProcesses_EqualsOneAndResumesAfterAKill(string launcher)
    {
        string[] rows = ["respond", "rows=10", $"model={s_model}"], journal = [$"journal={Path.Combine(_folder, "journal")}"];
        Launcher.RunAlone([.. rows, Output("alone")]).Require(0);
        var run = new Launcher(launcher).Run(3, [.. rows, "chunk=3", Output("shared")]).Require(0);
        RequireEqual("alone", "shared", 3);
        Assert.AreEqual(20, Counts(run, "responded").Sum(), run.Output);

        Assert.AreNotEqual(0, new Launcher(launcher).Run(2, [.. rows, .. journal, "killed=0", "after=5"]).ExitCode);
        var done = File.ReadAllLines(Path.Combine(_folder, "journal")).Length - 1;
        Assert.IsInRange(5, 19, done);
        var resumed = new Launcher(launcher).Run(3, [.. rows, .. journal, Output("resumed")]).Require(0);
        RequireEqual("alone", "resumed", 3);
        Assert.AreEqual(20 - done, Counts(resumed, "responded").Sum(), resumed.Output);
        // A second run has nothing left to do.
        Assert.AreEqual(0, Counts(Launcher.RunAlone([.. rows, .. journal, Output("again")]).Require(0), "responded").Sum());
        RequireEqual("alone", "again", 1);
    }

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void Transform_SeveralProcesses_EqualsOneAndAllowsReadingAlone(string launcher)
    {
        string[] rows = ["transform", "rows=13", $"model={s_model}"];
        Launcher.RunAlone([.. rows, Output("alone")]).Require(0);
        new Launcher(launcher).Run(3, [.. rows, Output("shared")]).Require(0);
        RequireEqual("alone", "shared", 3);
    }

    /// <summary>All processes end with the same weights; killed while it draws, judges or trains, a run ends as if it had not been.</summary>
    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void Rounds_SeveralProcesses_AgreeAndResumeAfterKills(string launcher)
    {
        string[] Rounds(string folder, string output, int killedAt = 0) =>
            ["rounds", s_model, Path.Combine(_folder, folder), Path.Combine(_folder, output), $"{killedAt}"];
        Launcher.RunAlone(Rounds("one", "alone")).Require(0);
        new Launcher(launcher).Run(2, Rounds("two", "whole")).Require(0);
        RequireEqual("whole", "whole", 2);
        // The first round draws before anything is trained: it has the responses of one process.
        Assert.AreEqual(File.ReadAllText(Path.Combine(_folder, "one", "round-0001", "rows.jsonl")),
            File.ReadAllText(Path.Combine(_folder, "two", "round-0001", "rows.jsonl")));
        foreach (var killedAt in (int[])[3, 11, 17, 21])
            Assert.AreNotEqual(0, new Launcher(launcher).Run(2, Rounds("killed", "killed", killedAt)).ExitCode, $"killed at report {killedAt}");
        new Launcher(launcher).Run(2, Rounds("killed", "resumed")).Require(0);
        RequireEqual("whole", "resumed", 2);
        new Launcher(launcher).Run(3, Rounds("killed", "again")).Require(0); // nothing is left to do, for another number
        RequireEqual("whole", "again", 3);
    }

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void JudgeAll_RowsDiffer_IsRefused(string launcher)
    {
        var run = new Launcher(launcher).Run(2, ["judge", "rows=8", "differs=1"]);
        Assert.AreNotEqual(0, run.ExitCode);
        StringAssert.Matches(run.Error,
            new(@"refused: rows to judge of rank 1 \(process \d+ on host .+\): found ""[0-9a-f]+""; expected the same as on rank 0 "
            + @"\(process \d+ on host .+\), ""[0-9a-f]+"". Start every process with the same program, files and options."));
    }

    private string Output(string name) => $"output={Path.Combine(_folder, name)}";

    private void RequireEqual(string alone, string shared, int size)
    {
        var expected = File.ReadAllText(Path.Combine(_folder, $"{alone}.0"));
        Assert.IsGreaterThan(100, expected.Length);
        for (var rank = 0; rank < size; rank++)
            Assert.AreEqual(expected, File.ReadAllText(Path.Combine(_folder, $"{shared}.{rank}")), $"{shared}, rank {rank}");
    }

    /// <summary>Returns the number of new results of each process.</summary>
    private static int[] Counts(ProcessRun run, string word) => [.. Regex.Match(run.Output, $"{word}((?: \\d+)+)").Groups[1].Value.Split(' ',
        StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
}
