using System.Text.Json;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Trains the sample model in several processes under the installed launchers, and compares with a single process.</summary>
public abstract class DistributedTraining
{
    private static readonly string s_samples = Path.Combine(Fixtures.RepositoryRoot(), "samples");
    private static readonly Lazy<TrainingOutcome[]> s_alone = new(Alone);

    private readonly string _folder = Directory.CreateTempSubdirectory("nlft-ranks-").FullName;

    /// <summary>7 rows in windows of 3, 3 and 1: no number of processes above 1 divides all of them. Dropout is on.</summary>
    private static TrainingScenario Uneven(string folder) => new()
    {
        Model = Path.Combine(s_samples, "models", "tiny-word-problems"),
        Rows = Path.Combine(s_samples, "data", "rows.jsonl"),
        RowCount = 7,
        Out = Path.Combine(folder, "uneven"),
        Options = new() { Epochs = 17, BatchSize = 3, LearningRate = 5e-4 },
    };

    /// <summary>8 rows in windows of 4, contexts scored once per epoch, equal token weights, one row at a time.</summary>
    private static TrainingScenario Even(string folder) => Uneven(folder) with
    {
        RowCount = 8,
        Out = Path.Combine(folder, "even"),
        Options = new() { Epochs = 5, BatchSize = 4, MicroBatchSize = 1, LearningRate = 5e-4, Refresh = ContextRefresh.EveryEpoch,
            Reduction = LossReduction.TokenMean },
    };

    [TestCleanup]
    public void Clean() => Directory.Delete(_folder, recursive: true);

    private static TrainingOutcome[] Alone()
    {
        var folder = Directory.CreateTempSubdirectory("nlft-ranks-alone-").FullName;
        try
        {
            TrainingScenario[] scenarios = [Uneven(folder), Even(folder)];
            Launcher.RunAlone(["train", Write(folder, scenarios)]).Require(0);
            return [.. scenarios.Select(scenario => Outcome(scenario, 0))];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Write(string folder, params TrainingScenario[] scenarios)
    {
        var path = Path.Combine(folder, $"scenarios-{Path.GetRandomFileName()}.json");
        File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(scenarios));
        return path;
    }

    private static TrainingOutcome Outcome(TrainingScenario scenario, int rank) =>
        JsonSerializer.Deserialize<TrainingOutcome>(File.ReadAllBytes(Path.Combine(scenario.Out, $"rank-{rank}.json")))!;

    private static string Refusal(TrainingScenario scenario, int rank, ProcessRun run)
    {
        var path = Path.Combine(scenario.Out, $"refused-{rank}.txt");
        Assert.IsTrue(File.Exists(path), $"rank {rank} was not refused. {run.Output}{run.Error}");
        return File.ReadAllText(path);
    }

    private static void RequireEqual(TrainingOutcome expected, TrainingScenario scenario, int size)
    {
        var all = Enumerable.Range(0, size).Select(rank => Outcome(scenario, rank)).ToArray();
        foreach (var one in all)
        {
            Assert.AreEqual(size, one.Size);
            Assert.AreEqual(all[0].Weights, one.Weights, $"the adapter of rank {one.Rank}, to the bit");
            Assert.HasCount(expected.Losses.Length, one.Losses);
            for (var step = 0; step < expected.Losses.Length; step++)
                Assert.AreEqual(expected.Losses[step], one.Losses[step], 1e-5, $"{size} processes, loss of step {step + 1}");
        }
    }

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    [TestCategory("Slow")]
    public void FineTune_SeveralProcesses_EqualsOneAndResumesWithAnotherNumber(string launcher)
    {
        Assert.IsGreaterThanOrEqualTo(50, s_alone.Value[0].Losses.Length);
        var checkpoints = Path.Combine(_folder, "checkpoints");
        TrainingScenario uneven = Uneven(_folder) with { Save = Path.Combine(_folder, "saved") }, even = Even(_folder);
        var broken = uneven with
        {
            CancelAt = 20, Save = null, Out = Path.Combine(_folder, "broken"),
            Options = uneven.Options with { CheckpointFolder = checkpoints, CheckpointSteps = 1000, ReturnPartialOnCancel = true,
                ResumeFrom = checkpoints },
        };

        new Launcher(launcher).Run(3, ["train", Write(_folder, uneven, even, broken)]).Require(0);
        RequireEqual(s_alone.Value[0], uneven, 3);
        RequireEqual(s_alone.Value[1], even, 3);
        for (var rank = 0; rank < 3; rank++)
        {
            var outcome = Outcome(broken, rank);
            Assert.AreEqual((true, 20), (outcome.Cancelled, outcome.Losses.Length), "all stop at the same step");
            Assert.AreEqual(rank == 0 ? 20 : 0, outcome.Reports, "the first one reports");
        }
        Assert.HasCount(1, Directory.GetFiles(checkpoints));

        TrainingScenario resumed = broken with { CancelAt = 0, Out = Path.Combine(_folder, "resumed") };
        new Launcher(launcher).Run(2, ["train", Write(_folder, resumed, even)]).Require(0);
        RequireEqual(s_alone.Value[0], resumed, 2);
        Assert.AreEqual(20, Outcome(resumed, 1).Resumed);
        RequireEqual(s_alone.Value[1], even, 2);
        // A step sends the adapter's gradients once and little else: counts, and two hashes at the end of every epoch.
        var (steps, size) = (s_alone.Value[1].Losses.Length, (double)Outcome(even, 1).AdapterBytes);
        Assert.AreEqual(1, Outcome(even, 1).BytesGiven / steps / size, 0.2);

        new Launcher(launcher).Run(4, ["train", Write(_folder, even)]).Require(0);
        RequireEqual(s_alone.Value[1], even, 4);
    }

    [TestMethod]
    [DataRow("Open MPI", true)]
    [DataRow("Open MPI", false)]
    [DataRow("MPICH", true)]
    [DataRow("MPICH", false)]
    [TestCategory("Timing")]
    public void FineTune_OneProcessIsKilled_TheOthersStopAndNameIt_FewerResume(string launcher, bool survive)
    {
        var scenario = Uneven(_folder) with { KillAt = 8 };
        scenario = scenario with { Options = scenario.Options with { CheckpointFolder = Path.Combine(_folder, "checkpoints"), CheckpointSteps = 1 } };
        var run = new Launcher(launcher).Run(3, ["train", Write(_folder, scenario)], survive: survive);
        Assert.IsLessThan(20, run.Took.TotalSeconds);
        if (survive)
        {
            foreach (var rank in (int[])[0, 2])
            {
                var message = Refusal(scenario, rank, run);
                StringAssert.StartsWith(message, "rank 1 (process ");
                StringAssert.EndsWith(message,
                    $" on host {Environment.MachineName}): found that it has ended (no such process any more); expected all processes to continue. "
                    + "It was killed or crashed, often for lack of memory. Start the job again, with fewer processes if need be; "
                    + "training resumes from its last checkpoint with ResumeFrom.");
            }
        }
        else
        {
            Assert.AreNotEqual(0, run.ExitCode);
        }
        Assert.IsFalse(File.Exists(Path.Combine(scenario.Out, "rank-0.json")));
        if (!survive) return;

        var resumed = scenario with { KillAt = 0, Options = scenario.Options with { ResumeFrom = scenario.Options.CheckpointFolder } };
        new Launcher(launcher).Run(2, ["train", Write(_folder, resumed)]).Require(0);
        RequireEqual(s_alone.Value[0], resumed, 2);
        Assert.AreEqual(8, Outcome(resumed, 0).Resumed);
    }

    [TestMethod]
    [DataRow("Open MPI")]
    [DataRow("MPICH")]
    public void FineTune_DisagreeingOrSlowProcess_IsRefusedOrNamed(string launcher)
    {
        var slow = Even(_folder) with { Delay = 40, RowCount = 6,
            Options = new() { Epochs = 3, BatchSize = 2, LearningRate = 5e-4, Refresh = ContextRefresh.Once } };
        var disagreeing = Uneven(_folder) with { Disagree = true };
        var run = new Launcher(launcher).Run(2, ["train", Write(_folder, slow, disagreeing)]);
        Assert.AreNotEqual(0, run.ExitCode);
        Assert.AreEqual(Refusal(disagreeing, 0, run), Refusal(disagreeing, 1, run));
        StringAssert.StartsWith(Refusal(disagreeing, 0, run), "2 processes that are to train one model: found different runs (rank 1 (process ");
        StringAssert.EndsWith(Refusal(disagreeing, 0, run),
            $" on host {Environment.MachineName}): LearningRate 0.001 there, 0.0005 on rank 0); expected the same rows, options, base model and "
            + "library version on every process. Start every process with the same program, arguments and files.");
        var named = Outcome(slow, 0).Slow;
        Assert.IsNotNull(named);
        StringAssert.Matches(named,
            new(@"^rank 1 \(process \d+ on host .+\) takes \d+\.\d times as long per token as the median of the 2 processes$"));
    }
}
