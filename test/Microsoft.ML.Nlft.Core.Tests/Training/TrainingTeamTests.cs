using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Several processes, played by threads, train one model: the managed engine, real objectives, no MPI.</summary>
[TestClass]
public sealed class TrainingTeamTests
{
    private readonly TemporaryFolder _folder = new();

    private static FineTuneOptions Options => new() { Epochs = 16, BatchSize = 3, LearningRate = 5e-3 }; // 7 rows: windows of 3, 3 and 1

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    private static NaturalLanguageObjective WithJudge() => new(new() { JudgeLikelihood = true });

    private static (FineTuneResult Result, float[] State) Alone(ModelFolder folder, FineTuneOptions options)
    {
        using var model = SmallRun.Load(folder);
        return (new TrainingRun(model, SmallRun.Rows(), WithJudge(), options).Run(), State(model));
    }

    private static (FineTuneResult Result, float[] State) Member(ThreadGroup group, ModelFolder folder, FineTuneOptions options,
        IProgress<TrainingProgress>? progress = null, CancellationToken token = default, EncodedExample[]? rows = null)
    {
        using var model = SmallRun.Load(folder);
        var run = new TrainingRun(model, () => RunRows.Of(rows ?? SmallRun.Rows(), null, options), WithJudge(), options, null, group);
        var result = run.Run(progress, token);
        return (result, State(model));
    }

    private static float[] State(ICausalLanguageModel model) =>
        [.. model.Export(ModelState.Weights).Concat(model.Export(ModelState.Optimizer)).SelectMany(tensor => tensor.Values)];

    private static void RequireEqual(FineTuneResult expected, FineTuneResult actual)
    {
        Assert.HasCount(expected.Steps.Count, actual.Steps);
        foreach (var (a, b) in expected.Steps.Zip(actual.Steps))
        {
            Assert.AreEqual(a.Loss, b.Loss, 1e-5, $"loss of step {a.Step}");
            Assert.AreEqual(a.GradientNorm, b.GradientNorm, 1e-4 * a.GradientNorm, $"gradient norm of step {a.Step}");
            Assert.AreEqual((a.Step, a.Epoch, a.TokensSeen, a.TokenAccuracy, a.SalientShare),
                (b.Step, b.Epoch, b.TokensSeen, b.TokenAccuracy, b.SalientShare));
        }
    }

    [TestMethod]
    [DataRow(2, 3, 0, ContextRefresh.EveryStep, LossReduction.ExampleMean)]
    [DataRow(3, 3, 1, ContextRefresh.EveryStep, LossReduction.TokenMean)]
    [DataRow(4, 3, 0, ContextRefresh.EveryEpoch, LossReduction.ExampleMean)] // one process more than rows
    [DataRow(2, 7, 2, ContextRefresh.Once, LossReduction.TokenMean)]
    [DataRow(5, 4, 0, ContextRefresh.Once, LossReduction.ExampleMean)]
    public void Run_OnSeveralProcesses_EqualsOneProcess_AndAllHoldTheSameWeights(int size, int batch, int microBatch, ContextRefresh refresh,
        LossReduction reduction)
    {
        using var folder = TinyModels.Create();
        var options = Options with
        {
            BatchSize = batch,
            Epochs = 50 / ((7 - 1) / batch + 1) + 1,
            MicroBatchSize = microBatch,
            Refresh = refresh,
            Reduction = reduction,
            RecordedRows = [1, 0],
        };
        var (expected, state) = Alone(folder, options);
        Assert.IsGreaterThanOrEqualTo(50, expected.Steps.Count);
        var members = ThreadGroup.Run(size, group => Member(group, folder, options));
        foreach (var (member, thrown) in members)
        {
            Assert.IsNull(thrown);
            RequireEqual(expected, member.Result);
            CollectionAssert.AreEqual(members[0].Result.State, member.State, "the same weights and optimizer to the bit");
            Assert.HasCount(expected.Recorded.Count, member.Result.Recorded);
        }
        for (var i = 0; i < state.Length; i++) Assert.AreEqual(state[i], members[0].Result.State[i], 1e-4);
    }

    [TestMethod]
    public void Run_SumsEachGradientOnce()
    {
        using var folder = TinyModels.Create();
        var bytes = ThreadGroup.Run(2, group =>
        {
            using var model = SmallRun.Load(folder);
            var options = Options with { Epochs = 2 };
            var steps = new TrainingRun(model, () => RunRows.Of(SmallRun.Rows(), null, options), WithJudge(), options, null, group).Run().Steps.Count;
            return (group.BytesSummed, Expected: steps * sizeof(float) * model.Export(ModelState.Weights).Sum(tensor => tensor.Values.Length));
        });
        foreach (var (result, _) in bytes) Assert.AreEqual(result.Expected, result.BytesSummed);
    }

    [TestMethod]
    public void Run_CancelledOnOneProcess_StopsAllAtTheSameStep_WithOneCheckpoint_FromWhichAnotherNumberGoesOn()
    {
        using var folder = TinyModels.Create();
        var place = Path.Combine(_folder.Path, "checkpoints");
        var options = Options with { Epochs = 4, CheckpointFolder = place, CheckpointSteps = 100, ReturnPartialOnCancel = true, ResumeFrom = place };
        var (expected, _) = Alone(folder, options with { CheckpointFolder = null, ResumeFrom = null });
        using var source = new CancellationTokenSource();
        var members = ThreadGroup.Run(3,
            group => Member(group, folder, options, new Listener(step => { if (step.Step == 5) source.Cancel(); }), group.Rank == 0 ? source.Token
            : default));
        foreach (var (member, thrown) in members)
        {
            Assert.IsNull(thrown);
            Assert.IsTrue(member.Result.Cancelled);
            Assert.HasCount(5, member.Result.Steps);
        }
        CollectionAssert.AreEqual(new[] { Path.Combine(place, Checkpoint.FileName(5)) }, Directory.GetFiles(place));
        foreach (var (member, thrown) in ThreadGroup.Run(2, group => Member(group, folder, options)))
        {
            Assert.IsNull(thrown);
            Assert.AreEqual(5, member.Result.ResumedSteps);
            RequireEqual(expected, member.Result);
        }
        RequireEqual(expected, Alone(folder, options with { ResumeFrom = Path.Combine(place, Checkpoint.FileName(5)) }).Result);
    }

    [TestMethod]
    public void Run_CancelledOnAnotherProcess_ThrowsOnAll()
    {
        using var folder = TinyModels.Create();
        using var source = new CancellationTokenSource();
        source.Cancel();
        foreach (var (_, thrown) in ThreadGroup.Run(2, group => Member(group, folder, Options, token: group.Rank == 1 ? source.Token : default)))
            Assert.IsInstanceOfType<OperationCanceledException>(thrown);
    }

    [TestMethod]
    public void Run_OnlyTheFirstProcessReports()
    {
        using var folder = TinyModels.Create();
        var reports = new int[2];
        ThreadGroup.Run(2, group => Member(group, folder, Options with { Epochs = 1 }, new Listener(_ => reports[group.Rank]++)));
        CollectionAssert.AreEqual(new[] { 3, 0 }, reports);
    }

    [TestMethod]
    public void Run_OtherOptionsOrRowsOnOneProcess_IsRefusedOnAll_NamingProcessAndDifference()
    {
        using var folder = TinyModels.Create();
        var others = ThreadGroup.Run(3, group => Member(group, folder, Options with { LearningRate = group.Rank == 2 ? 1e-2 : 5e-3 },
            rows: group.Rank == 1 ? [.. SmallRun.Rows().Reverse()] : SmallRun.Rows()));
        foreach (var (_, thrown) in others)
        {
            Assert.AreEqual("3 processes that are to train one model: found different runs (rank 1: another row 1, 2, 3, 5, 6 and 1 more. rank 2: "
                + "LearningRate 0.01 there, 0.005 on rank 0); " +
                "expected the same rows, options, base model and library version on every process. Start every process with the same program, "
                    + "arguments and files.", Assert.IsInstanceOfType<NlftException>(thrown).Message);
        }
    }

    [TestMethod]
    public void Run_ABadRowOnOneProcess_IsRefusedOnAll()
    {
        using var folder = TinyModels.Create();
        EncodedExample[] bad = [.. SmallRun.Rows(), new(Polarity.Correct, new[] { 1, 99 }, [1], [], [2], "row 8")];
        var thrown = ThreadGroup.Run(2, group => Member(group, folder, Options, rows: group.Rank == 1 ? bad : null))
            .Select(member => Assert.IsInstanceOfType<NlftException>(member.Thrown).Message).ToArray();
        Assert.AreEqual(thrown[0], thrown[1]);
        StringAssert.StartsWith(thrown[0], "row 8, response");
        StringAssert.Contains(thrown[0], "(rank 1)");
    }

    [TestMethod]
    public void Run_AnUnexpectedFailureOnOneProcess_EndsTheOthersWithItsReason()
    {
        using var folder = TinyModels.Create();
        var members = ThreadGroup.Run(3,
            group => Member(group, folder, Options,
            new Listener(step => { if (step.Step == 2) throw new InvalidDataException("the disk is gone"); })));
        Assert.IsInstanceOfType<InvalidDataException>(members[0].Thrown);
        foreach (var (_, thrown) in members[1..])
            StringAssert.StartsWith(Assert.IsInstanceOfType<NlftException>(thrown).Message, "rank 0: found a failure (\"the disk is gone\")");
    }

    [TestMethod]
    public void Run_WithWeightsThatDrift_TakesThoseOfTheFirstProcess()
    {
        using var folder = TinyModels.Create();
        var members = ThreadGroup.Run(2, group =>
        {
            using var model = SmallRun.Load(folder);
            var team = new TrainingTeam(group);
            if (group.Rank == 1)
            {
                var weights = model.Export(ModelState.Weights);
                weights[0].Values[0] = MathF.BitIncrement(weights[0].Values[0]);
                model.Import(ModelState.Weights, weights);
            }
            team.KeepEqual(model);
            return State(model);
        });
        CollectionAssert.AreEqual(members[0].Result, members[1].Result);
    }

    [TestMethod]
    [DataRow(new[] { 9L, 1, 1, 8, 1 }, 2, new[] { 1, 3, 4 }, new[] { 0, 2 })] // 9 and 8, then the small ones where there is less; of equals the last
    [DataRow(new[] { 5L, 5 }, 3, new int[0], new[] { 1 })]
    public void Deal_GivesTheCostliestRowToTheLeastLoaded(long[] costs, int processes, int[] first, int[] second)
    {
        var shares = WindowShares.Distribute([.. Enumerable.Range(0, costs.Length)], row => costs[row], processes);
        CollectionAssert.AreEqual(first, shares[0]);
        CollectionAssert.AreEqual(second, shares[1]);
        CollectionAssert.AreEquivalent(Enumerable.Range(0, costs.Length).ToArray(), shares.SelectMany(rows => rows).ToArray());
    }

    [TestMethod]
    public void Deal_ManyRows_StaysWithinTheBoundOfTheRule()
    {
        var random = new Random(3);
        for (var trial = 0; trial < 50; trial++)
        {
            var costs = Enumerable.Range(0, random.Next(1, 40)).Select(_ => (long)random.Next(1, 500)).ToArray();
            var processes = random.Next(1, 9);
            var loads = WindowShares.Distribute([.. Enumerable.Range(0, costs.Length)], row => costs[row], processes)
                .Select(rows => rows.Sum(row => costs[row])).ToArray();
            // Graham (1969): longest first is at most 4/3 - 1/(3 m) times the best, and the best is no less than this.
            var best = Math.Max(costs.Max(), Math.Ceiling(costs.Sum() / (double)processes));
            Assert.IsLessThanOrEqualTo(costs.Sum() / processes + costs.Max(), loads.Max());
            if (costs.Length > 2 * processes) Assert.IsLessThanOrEqualTo((4.0 / 3) * (best + costs.Max() / 3.0), loads.Max());
        }
    }

    [TestMethod]
    public void Slow_NamesAProcessOnlyAfterFiveSlowWindowsInARow()
    {
        var speeds = new RankSpeeds(3);
        for (var window = 0; window <= 4; window++) // the first does not count
        {
            speeds.Add([1, 1, 4], [10, 10, 20]);
            Assert.IsNull(speeds.Slow(rank => $"rank {rank}"));
        }
        speeds.Add([1, 1, 4], [10, 10, 20]);
        Assert.AreEqual("rank 2 takes 2.0 times as long per token as the median of the 3 processes", speeds.Slow(rank => $"rank {rank}"));
        for (var window = 0; window < 9; window++) speeds.Add([1, 1, 0], [10, 10, 0]); // nothing to do says nothing
        Assert.IsNotNull(speeds.Slow(rank => ""));
        for (var window = 0; window < 9; window++) speeds.Add([1, 1, 1], [10, 10, 10]);
        Assert.IsNull(speeds.Slow(rank => ""));
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(2)] // windows in which it has nothing to do before
    public void Slow_AFirstWindowThatCompiles_NamesNobody(int idle)
    {
        var speeds = new RankSpeeds(3);
        for (var window = 0; window < idle; window++) speeds.Add([1, 1, 0], [10, 10, 0]);
        speeds.Add([1, 1, 50], [10, 10, 10]);
        for (var window = 0; window < 9; window++)
        {
            speeds.Add([1, 1, 1], [10, 10, 10]);
            Assert.IsNull(speeds.Slow(rank => $"rank {rank}"), $"window {window}");
        }
    }
}
