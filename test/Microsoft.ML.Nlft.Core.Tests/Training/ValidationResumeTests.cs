using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A run with validation that is interrupted and resumed ends as the uninterrupted one: the same bits, the same best weights.</summary>
[TestClass]
public sealed class ValidationResumeTests
{
    private readonly SmallRun _run = new();

    private FineTuneOptions Options => new()
    {
        Epochs = 6, BatchSize = 2, MicroBatchSize = 1, LearningRate = 0.05, CheckpointFolder = _run.Checkpoints, CheckpointSteps = 1,
        CheckpointsKept = 100, Seed = 1, Validation = new() { Share = 0.3, Steps = 2, Patience = 4 },
    };

    [TestCleanup]
    public void Clean() => _run.Dispose();

    [TestMethod]
    [DataRow(2, 4, true)]
    [DataRow(2, 0, true)]
    [DataRow(0, 0, false)]
    [DataRow(3, 1, true)]
    public void Run_ResumedFromEveryStep_EndsAsTheUnbrokenRunToTheBit(int interval, int patience, bool keepBest)
    {
        var options = Options with { Validation = Options.Validation with { Steps = interval, Patience = patience, KeepBest = keepBest } };
        using var unbroken = _run.Load();
        var expected = SmallRun.Run(unbroken, options);
        Assert.AreEqual(keepBest, expected.KeptBest);
        for (var step = 1; step <= expected.Steps.Count; step++)
        {
            using var model = _run.Load(threads: 1 + step % 2);
            var result = SmallRun.Run(model, options with { CheckpointFolder = null, ResumeFrom = _run.CheckpointOf(step) });
            Assert.AreEqual(step, result.ResumedSteps);
            RequireSame(expected, result, $"resumed after step {step}");
            CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(model), $"resumed after step {step}");
        }
    }

    /// <summary>The run is cancelled at every fifth evaluation of the objective: between steps, within a step, within an evaluation.</summary>
    [TestMethod]
    public void Run_CancelledAnywhere_ResumesToTheSameBits()
    {
        using var unbroken = _run.Load();
        var all = new CancellingObjective(int.MaxValue, () => { });
        var expected = SmallRun.Run(unbroken, Options with { CheckpointFolder = null }, objective: all);
        Assert.IsGreaterThan(30, all.Calls);
        for (var call = 1; call < all.Calls; call += 5)
        {
            var folder = _run.Folder.File($"cancelled-{call}");
            var options = Options with { CheckpointFolder = folder, CheckpointSteps = 0, ResumeFrom = folder };
            using var source = new CancellationTokenSource();
            using var first = _run.Load();
            try
            {
                SmallRun.Run(first, options, objective: new CancellingObjective(call, source.Cancel), cancellation: source.Token);
            }
            catch (OperationCanceledException)
            {
            }
            using var second = _run.Load();
            var result = SmallRun.Run(second, options, objective: new CancellingObjective(int.MaxValue, () => { }));
            RequireSame(expected, result, $"cancelled at call {call}");
            CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(second), $"cancelled at call {call}");
        }
    }

    [TestMethod]
    public void Run_OtherValidationOnResume_IsRefused()
    {
        using var model = _run.Load();
        SmallRun.Run(model, Options with { Epochs = 1 });
        string Refusal(ValidationOptions validation) =>
            _run.Folder.Refusal(() => SmallRun.Run(model, Options with { Epochs = 1, ResumeFrom = _run.Checkpoints, Validation = validation }));
        Assert.Contains("Validation.Patience 4 there, 5 here", Refusal(Options.Validation with { Patience = 5 }));
        Assert.Contains("Validation.Steps 2 there, 1 here", Refusal(Options.Validation with { Steps = 1 }));
        Assert.Contains("Validation.KeepBest true there, false here", Refusal(Options.Validation with { KeepBest = false }));
        StringAssert.Matches(Refusal(Options.Validation with { Share = 0.5 }), new(@"Validation rows 2 \(\w{12}\) there, 4 \(\w{12}\) here"));
        StringAssert.Matches(Refusal(new()), new(@"Validation rows 2 \(\w{12}\) there, none here.*5 rows there, 7 here"));
        // what is only shown may change
        Assert.IsNotNull(SmallRun.Run(model, Options with
        {
            Epochs = 1, ResumeFrom = _run.Checkpoints, Validation = Options.Validation with { SampleAnswers = 0 },
        }).Best);
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(3)]
    [DataRow(5)]
    public void Run_SeveralProcesses_EvaluateAsOneAndKeepTheSameWeights(int size)
    {
        var options = Options with { CheckpointFolder = null, LearningRate = 5e-3 };
        using var alone = _run.Load();
        var expected = SmallRun.Run(alone, options);
        var members = ThreadGroup.Run(size, group =>
        {
            using var model = _run.Load();
            var run = new TrainingRun(model, () => RunRows.Of(SmallRun.Rows(), null, options), new NaturalLanguageObjective(), options, null, group);
            return (Result: run.Run(), State: SmallRun.State(model));
        });
        foreach (var (member, thrown) in members)
        {
            Assert.IsNull(thrown);
            RequireSame(members[0].Result.Result, member.Result, "every process has the same figures");
            CollectionAssert.AreEqual(members[0].Result.State, member.State, "and the same weights, to the bit");
            Assert.AreEqual(expected.Validation[0].Loss, member.Result.Validation[0].Loss, "equal weights: the loss of one process, to the bit");
            Assert.HasCount(expected.Validation.Count, member.Result.Validation);
            foreach (var (a, b) in expected.Validation.Zip(member.Result.Validation)) Assert.AreEqual(a.Loss, b.Loss, 1e-4);
        }
    }

    [TestMethod]
    public void Run_Threads_DoNotChangeTheFigures()
    {
        var losses = new[] { 1, 2, 4 }.Select(threads =>
        {
            using var model = _run.Load(threads);
            return SmallRun.Run(model, Options with { CheckpointFolder = null }).Validation.Select(report => report.Loss).ToArray();
        }).ToList();
        CollectionAssert.AreEqual(losses[0], losses[1]);
        CollectionAssert.AreEqual(losses[0], losses[2]);
    }

    private static void RequireSame(FineTuneResult expected, FineTuneResult result, string what)
    {
        Assert.AreEqual(JsonSerializer.Serialize(expected.Validation), JsonSerializer.Serialize(result.Validation), what);
        Assert.AreEqual((expected.Best!.Step, expected.StoppedEarly, expected.KeptBest, expected.Steps.Count),
            (result.Best!.Step, result.StoppedEarly, result.KeptBest, result.Steps.Count), what);
    }

    /// <summary>Natural language fine-tuning that calls an action at one of its evaluations.</summary>
    private sealed class CancellingObjective(int at, Action cancel) : ITokenObjective
    {
        private readonly NaturalLanguageObjective _objective = new();

        public int Calls { get; private set; }

        public string Name => _objective.Name;

        public IReadOnlyList<KeyValuePair<string, string>> Settings => _objective.Settings;

        public PromptContexts ScoredContexts(Polarity polarity) => _objective.ScoredContexts(polarity);

        public PromptContexts TrainedContexts(Polarity polarity) => _objective.TrainedContexts(polarity);

        public bool NeedsHiddenStates(Polarity polarity) => _objective.NeedsHiddenStates(polarity);

        public TokenObjectiveResult Evaluate(ExampleScores scores)
        {
            if (++Calls == at) cancel();
            return _objective.Evaluate(scores);
        }
    }
}
