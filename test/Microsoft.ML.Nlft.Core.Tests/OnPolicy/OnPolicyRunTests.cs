using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.OnPolicy;

[TestClass]
public sealed class OnPolicyRunTests
{
    private static readonly DataRow[] s_questions = [.. Enumerable.Range(0, 5).Select(i => new DataRow
    {
        Question = $"{i}+2?", Answer = $"{i + 2}", Source = $"row {i}",
    })];

    private readonly TemporaryFolder _folder = new();
    private readonly ByteModelFolder _model = new();

    private static OnPolicyOptions Options => new()
    {
        Rounds = 3,
        StepsPerRound = 3,
        SamplesPerQuestion = 2,
        Generation = new() { Temperature = 1, MaximumNewTokens = 6, MaximumBatchSize = 4 },
        Training = new() { BatchSize = 4, LearningRate = 5e-3 },
    };

    [TestCleanup]
    public void Clean()
    {
        _folder.Dispose();
        _model.Dispose();
    }

    private LocalModel Load() => LocalModel.Load(_model.Path, new() { Trainable = TrainableWeights.Lora });

    private static float[] State(LocalModel model) =>
        [.. model.Network.Export(ModelState.Weights).Concat(model.Network.Export(ModelState.Optimizer)).SelectMany(tensor => tensor.Values)];

    private static async Task<(OnPolicyResult Result, float[] State)> RunAsync(LocalModel model, OnPolicyOptions options,
        ITokenObjective? objective = null, Action<OnPolicyProgress>? told = null, IResponseJudge? judge = null,
        CancellationToken cancellation = default)
    {
        var run = new OnPolicyRun(model, s_questions, judge ?? new LengthJudge(), objective ?? new NaturalLanguageObjective(), options);
        return (await run.RunAsync(told is null ? null : new TestKit.Listener<OnPolicyProgress>(told), cancellation), State(model));
    }

    [TestMethod]
    public async Task RunAsync_Rounds_DrawAnewAndSpanOneSchedule()
    {
        using var model = Load();
        var (rates, drawn) = (new List<double>(), new List<int>());
        var (result, _) = await RunAsync(model, Options, told: told =>
        {
            if (told.Step is { } step) rates.Add(step.LearningRate);
            if (told.Drawing is { } data) drawn.Add(data.Done);
            Assert.AreEqual(3, told.Rounds);
        });
        CollectionAssert.AreEqual(new[] { 1, 2, 3 }, result.Rounds.Select(round => round.Round).ToArray());
        foreach (var round in result.Rounds)
        {
            Assert.AreEqual((10, 3), (round.Drawn, round.Steps));
            Assert.AreEqual(round.Right + round.Wrong, round.Rows);
        }
        Assert.IsTrue(result.Rounds.Any(round => round.Right > 0) && result.Rounds.Any(round => round.Wrong > 0));
        Assert.HasCount(30, drawn);
        double[] expected = [.. Enumerable.Range(0, 9).Select(new LearningRateCurve(LearningRateSchedule.Cosine, 5e-3, 0.1, 9).At)];
        CollectionAssert.AreEqual(expected, rates, "one schedule over all rounds");
        Assert.AreEqual(3, result.LastTraining!.Steps.Count);
        Assert.IsFalse(result.Cancelled);
    }

    public static IEnumerable<object[]> Settings =>
    [
        [Options, new NaturalLanguageObjective()],
        [Options with { Keep = KeptResponses.Right, KeepEarlier = true }, new LikelihoodObjective()],
        [Options with { DrawFrom = PromptContexts.Standard, StepsPerRound = 4 }, new SelfDistillationObjective(new() { TopTokens = 3 })],
    ];

    /// <summary>The run is cancelled at reports of every kind: drawing, judging, training, between rounds; each time another model goes on.</summary>
    [TestMethod]
    [DynamicData(nameof(Settings))]
    public async Task RunAsync_StoppedAnywhere_ResumesToTheSameEnd(object given, object objective)
    {
        var options = (OnPolicyOptions)given;
        var reports = 0;
        OnPolicyResult whole;
        float[] expected;
        using (var model = Load()) (whole, expected) = await RunAsync(model, options, (ITokenObjective)objective, _ => reports++);
        for (var stop = 1; stop < reports; stop += 3)
        {
            var folder = Path.Combine(_folder.Path, $"{stop}");
            var (kept, stops) = (options with { Folder = folder }, 0);
            for (var left = stop; ; stops++)
            {
                using var model = Load();
                using var source = new CancellationTokenSource();
                var before = left;
                try
                {
                    var (result, state) = await RunAsync(model, kept, (ITokenObjective)objective, _ =>
                    {
                        if (--before == 0) source.Cancel();
                    }, cancellation: source.Token);
                    CollectionAssert.AreEqual(whole.Rounds.ToArray(), result.Rounds.ToArray(), $"stopped at report {stop}");
                    CollectionAssert.AreEqual(expected, state, $"stopped at report {stop}");
                    break;
                }
                catch (OperationCanceledException)
                {
                    Assert.IsLessThan(reports, stops, "Every call makes progress.");
                    left = stop + stops + 1; // later in every call
                }
            }
            Assert.IsGreaterThan(0, stops, $"report {stop}");
        }
    }

    [TestMethod]
    public async Task RunAsync_Finished_ReturnsTheSameAndTrainsNoMore()
    {
        var options = Options with { Folder = Path.Combine(_folder.Path, "rounds") };
        using var first = Load();
        var (result, state) = await RunAsync(first, options);
        CollectionAssert.AreEquivalent(new[] { "round-0001", "round-0002", "round-0003", "run.json" },
            Directory.EnumerateFileSystemEntries(options.Folder).Select(Path.GetFileName).ToArray());
        Assert.IsFalse(Directory.Exists(Path.Combine(options.Folder, "round-0002", "checkpoints")), "Earlier checkpoints go.");
        using var second = Load();
        var (again, stateAgain) = await RunAsync(second, options, told: _ => Assert.Fail("nothing is left to do"));
        CollectionAssert.AreEqual(result.Rounds.ToArray(), again.Rounds.ToArray());
        CollectionAssert.AreEqual(state, stateAgain);
        Assert.IsNull(again.LastTraining);
    }

    [TestMethod]
    public async Task RunAsync_FolderOfAnotherRun_NamesWhatDiffers()
    {
        var options = Options with { Rounds = 1, Folder = Path.Combine(_folder.Path, "rounds") };
        using var model = Load();
        await RunAsync(model, options);
        var refused = await Assert.ThrowsExactlyAsync<NlftException>(() =>
            RunAsync(model, options with { StepsPerRound = 5 }, new LikelihoodObjective()));
        StringAssert.StartsWith(refused.Message, $"option Folder, {options.Folder}: found another run (");
        StringAssert.Contains(refused.Message, "Objective NLFT there, SFT here");
        StringAssert.Contains(refused.Message, "StepsPerRound 3 there, 5 here");
        var run = Path.Combine(options.Folder!, "run.json");
        File.WriteAllText(run, "[1");
        refused = await Assert.ThrowsExactlyAsync<NlftException>(() => RunAsync(model, options));
        StringAssert.StartsWith(refused.Message, $"{run}: found something else (");
    }

    /// <summary>Expert iteration: a round without a right response trains nothing.</summary>
    [TestMethod]
    public async Task RunAsync_RightResponsesAlone_TrainsOnThem()
    {
        using var model = Load();
        var seen = new List<ExampleScores>();
        var (result, _) = await RunAsync(model, Options with { Keep = KeptResponses.Right }, new Watching(seen));
        Assert.IsTrue(seen.All(scores => scores.Polarity == Polarity.Correct));
        Assert.IsTrue(result.Rounds.All(round => round.Rows == round.Right));
        using var other = Load();
        var refused = await Assert.ThrowsExactlyAsync<NlftException>(() =>
            RunAsync(other, Options with { Keep = KeptResponses.Right }, judge: new LengthJudge(shortest: 100)));
        StringAssert.StartsWith(refused.Message, "the rounds: found 30 responses, 0 right and ");
        StringAssert.Contains(refused.Message, "expected at least one right response");
    }

    [TestMethod]
    public async Task RunAsync_StepsThatAreNotFinite_AreSkippedAndCounted()
    {
        using var model = Load();
        var options = Options with { Training = Options.Training with { SkipNonFiniteSteps = true } };
        var (result, _) = await RunAsync(model, options, new Watching([]) { NotFiniteBefore = 3 });
        var counts = result.Rounds.Select(round => (round.Steps, round.SkippedSteps)).ToArray();
        CollectionAssert.AreEqual(new[] { (1, 2), (3, 0), (3, 0) }, counts, "the first row of a step that is not finite ends it");
        using var other = Load();
        var refused = await Assert.ThrowsExactlyAsync<NlftException>(() =>
            RunAsync(other, options, new Watching([]) { NotFiniteBefore = int.MaxValue }));
        StringAssert.StartsWith(refused.Message, "the rounds: found 9 steps, all of them skipped; expected at least one with finite numbers.");
    }

    [TestMethod]
    public async Task RunAsync_EarlierRowsKept_TrainsOnAllOfThem()
    {
        using var model = Load();
        var (result, _) = await RunAsync(model, Options with { KeepEarlier = true });
        var judged = result.Rounds.Select(round => round.Right + round.Wrong).ToArray();
        CollectionAssert.AreEqual(new[] { judged[0], judged[0] + judged[1], judged.Sum() }, result.Rounds.Select(round => round.Rows).ToArray());
    }

    /// <summary>Rejection sampling: the answers are right responses of every round, once each.</summary>
    [TestMethod]
    public async Task RunAsync_TrainingOnAnswers_TrainsOnThemInEveryRound()
    {
        using var model = Load();
        var seen = new List<ExampleScores>();
        var answered = Options with { Keep = KeptResponses.Right, Training = Options.Training with { TrainOnAnswers = true } };
        var (result, _) = await RunAsync(model, answered, new Watching(seen));
        Assert.IsTrue(seen.All(scores => scores.Polarity == Polarity.Correct));
        foreach (var round in result.Rounds) Assert.AreEqual(s_questions.Length + round.Right, round.Rows);
        using var other = Load();
        var (answersAlone, _) = await RunAsync(other, answered,
            judge: new LengthJudge(shortest: 100));
        Assert.IsTrue(answersAlone.Rounds.All(round => (round.Rows, round.Steps) == (s_questions.Length, Options.StepsPerRound)));
    }

    /// <summary>A teacher that is scored once is the model before the first round, in the last round too.</summary>
    [TestMethod]
    public void ScoreAll_WithATeacher_UsesItsWeightsAndReturnsTheCurrentOnes()
    {
        using var small = new Training.SmallRun();
        using var network = small.Load();
        var teacher = network.Export(ModelState.Weights);
        var options = new FineTuneOptions
        {
            Epochs = 1, BatchSize = 7, LearningRate = 0.05, Schedule = LearningRateSchedule.Constant, WarmupRatio = 0,
        };
        var objective = new SelfDistillationObjective(new() { TopTokens = 3 });
        double FirstLoss(IReadOnlyList<NamedTensor>? part) => Training.SmallRun.Run(network, options with
        {
            Part = new RunPart(0, 1, part),
        }, objective: objective).Steps[0].Loss;
        Training.SmallRun.Run(network, options with { Epochs = 20 }); // the weights move
        var moved = network.Export(ModelState.Weights);
        var (live, frozen) = (FirstLoss(null), Restored(() => FirstLoss(teacher)));
        Assert.AreNotEqual(live, frozen, 1e-4);
        Assert.AreEqual(frozen, Restored(() => FirstLoss(teacher)));

        T Restored<T>(Func<T> work)
        {
            network.Import(ModelState.Weights, moved);
            return work();
        }
    }

    public static IEnumerable<object[]> BadOptions =>
    [
        [Options with { Rounds = 0 }, "option Rounds: found 0; expected 1 or more."],
        [Options with { StepsPerRound = 0 }, "option StepsPerRound: found 0; expected 1 or more."],
        [Options with { SamplesPerQuestion = 0 }, "option SamplesPerQuestion: found 0; expected 1 or more."],
        [Options with { Generation = new() }, "option Generation.Temperature: found 0; expected above 0."],
        [Options with { DrawFrom = PromptContexts.Judge }, "option DrawFrom: found Judge; expected Base or Standard."],
        [Options with { Keep = (KeptResponses)5 }, "option Keep: found 5; expected All or Right."],
        [Options with { Folder = " " }, "option Folder: found"],
        [Options with { Training = new() { LearningRate = -1 } }, "option LearningRate: found -1;"],
    ];

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void Create_OptionOutOfRange_NamesIt(object options, string message)
    {
        using var model = Load();
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => new OnPolicyRun(model, s_questions, new LengthJudge(),
            new LikelihoodObjective(), (OnPolicyOptions)options)).Message, message);
    }

    [TestMethod]
    public void Create_NoQuestionOrNoAnswer_IsRefused()
    {
        using var model = Load();
        StringAssert.StartsWith(Refused([]), "questions: found none;");
        StringAssert.Contains(Refused([s_questions[0] with { Answer = null }]), "Answer");
        string Refused(DataRow[] rows) =>
            Assert.ThrowsExactly<NlftException>(() => new OnPolicyRun(model, rows, new LengthJudge(), new LikelihoodObjective())).Message;
    }

    /// <summary>Finds long responses right.</summary>
    private sealed class LengthJudge(int shortest = 5) : IResponseJudge
    {
        public string Name => $"length {shortest}";

        public int MaximumParallelism => 2;

        public Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default) => Task.FromResult(
            row.Response!.Length >= shortest ? Verdict.Correct : Verdict.Incorrect($"{row.Response.Length} characters are too few."));
    }

    private sealed class Watching(List<ExampleScores> seen) : ITokenObjective
    {
        private readonly LikelihoodObjective _inner = new();

        /// <summary>The loss of the rows before this one is not a number.</summary>
        public int NotFiniteBefore { get; init; }

        public string Name => "watching";
        public IReadOnlyList<KeyValuePair<string, string>> Settings => [];
        public PromptContexts ScoredContexts(Polarity polarity) => PromptContexts.Base;
        public PromptContexts TrainedContexts(Polarity polarity) => PromptContexts.Base;
        public bool NeedsHiddenStates(Polarity polarity) => false;

        public TokenObjectiveResult Evaluate(ExampleScores scores)
        {
            seen.Add(scores);
            var result = _inner.Evaluate(scores);
            return seen.Count < NotFiniteBefore ? result with { Loss = double.NaN } : result;
        }
    }
}
