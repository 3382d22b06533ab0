using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Training with objectives that read several tokens at every position.</summary>
[TestClass]
public sealed class CandidateTrainingTests
{
    private static readonly EncodedExample[] s_rows = Rows.Seven();

    private static FineTuneOptions Plain => new()
    {
        Epochs = 1, BatchSize = 7, Schedule = LearningRateSchedule.Constant, WarmupRatio = 0, LearningRate = 0.1, Shuffle = false,
        Optimizer = new AdamWOptions { MaximumGradientNorm = 1e9 },
    };

    public static IEnumerable<object[]> Objectives =>
    [
        [new SelfDistillationObjective(new() { Alpha = 0.4, TopTokens = 3 })],
        [new SelfDistillationObjective(new() { Alpha = 0, TopTokens = 2, Teacher = PromptContexts.Judge })],
        [new SelfDistillationObjective(new() { Tail = false, StopBelow = 0, TopTokens = 7 })],
    ];

    /// <summary>The gradient of a step is that of the loss with respect to every weight, the teacher held constant.</summary>
    [TestMethod]
    [DynamicData(nameof(Objectives))]
    public void Run_SelfDistillation_TakesTheGradientOfItsLoss(object given)
    {
        var objective = (ITokenObjective)given;
        var model = new TableLanguageModel(Rows.Vocabulary);
        double[] weights = [.. model.Weights];
        var result = new TrainingRun(model, s_rows, objective, Plain).Run();
        var gradient = model.GradientsOfSteps[0];
        weights.CopyTo(model.Weights, 0);
        var teacher = s_rows.Select(row => Score(model, row, objective)).ToArray();
        Assert.AreEqual(Loss(), result.Steps[0].Loss, 1e-6);
        for (var i = 0; i < weights.Length; i++)
        {
            model.Weights[i] = weights[i] + 1e-3;
            var above = Loss();
            model.Weights[i] = weights[i] - 1e-3;
            var below = Loss();
            model.Weights[i] = weights[i];
            Assert.AreEqual((above - below) / 2e-3, gradient[i], 5e-5 * Math.Max(1, Math.Abs(gradient[i])), $"weight {i}"); // scores are float32
        }

        double Loss() => s_rows.Select((row, r) => objective.Evaluate(Score(model, row, objective, teacher[r])).Loss).Average();
    }

    /// <summary>The scores of a row, those of all contexts but base from a teacher if one is given.</summary>
    private static ExampleScores Score(TableLanguageModel model, EncodedExample row, ITokenObjective objective, ExampleScores? teacher = null)
    {
        var context = objective.Candidates(row.Polarity).Context;
        int[] ids = teacher?.Candidates!.Ids ?? Others(out _);
        double[] source = teacher?.Candidates!.Source ?? Others(out var log) switch { _ => log };
        var count = ids.Length / row.Response.Length;
        return new ExampleScores
        {
            Polarity = row.Polarity,
            Base = Own(PromptContexts.Base),
            Judge = teacher?.Judge ?? (row.Polarity == Polarity.Incorrect ? Own(PromptContexts.Judge) : []),
            Standard = teacher?.Standard ?? Own(PromptContexts.Standard),
            Candidates = new CandidateScores
            {
                Count = count,
                Ids = ids,
                Source = source,
                Base = [.. ids.Select((id, i) => At(PromptContexts.Base, i / count)[id])],
            },
        };

        double[] At(PromptContexts of, int t)
        {
            var tokens = row.Sequence(of).Tokens.Span;
            return model.LogProbabilities(tokens[0], tokens[row.Prompt(of).Length + t - 1]);
        }

        double[] Own(PromptContexts of) => [.. row.Response.ToArray().Select((y, t) => At(of, t)[y])];

        int[] Others(out double[] logProbabilities)
        {
            var most = objective.Candidates(row.Polarity).Count;
            var found = row.Response.ToArray().SelectMany((y, t) => Enumerable.Range(0, Rows.Vocabulary).Where(id => id != y)
                .OrderByDescending(id => At(context, t)[id]).Take(most).Select(id => (Id: id, LogP: At(context, t)[id]))).ToArray();
            logProbabilities = [.. found.Select(pair => pair.LogP)];
            return [.. found.Select(pair => pair.Id)];
        }
    }

    [TestMethod]
    public void Run_SelfDistillation_ScoresTheTeacherOnceUnlessToldOtherwise()
    {
        foreach (var (refresh, calls) in ((ContextRefresh?, int)[])[(null, 1), (ContextRefresh.EveryEpoch, 3), (ContextRefresh.EveryStep, 3)])
        {
            var model = new TableLanguageModel(Rows.Vocabulary);
            var objective = new SelfDistillationObjective(new() { TopTokens = 3 });
            new TrainingRun(model, s_rows, objective, Plain with { Epochs = 3, Refresh = refresh }).Run();
            Assert.HasCount(calls, model.ScoreCalls);
            Assert.IsTrue(model.ScoreCalls.SelectMany(call => call).All(sequence => sequence.Likeliest == 4 && sequence.Candidates.IsEmpty));
            foreach (var sequence in model.ForwardCalls.SelectMany(call => call.Sequences))
            {
                Assert.AreEqual(3, sequence.CandidatesPerToken);
                for (var i = 0; i < sequence.Candidates.Length; i++)
                    Assert.AreNotEqual(sequence.Tokens.Span[sequence.PromptLength + i / 3], sequence.Candidates.Span[i]);
            }
        }
    }

    [TestMethod]
    public void Run_CandidatesOfTheBaseContext_AreReadInTheSamePass()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        new TrainingRun(model, s_rows, new EntropyAdaptiveObjective(topTokens: 4), Plain).Run();
        Assert.IsEmpty(model.ScoreCalls);
        Assert.IsTrue(model.ForwardCalls.Single().Sequences.All(sequence => sequence.Likeliest == 5 && sequence.Candidates.IsEmpty));
    }

    [TestMethod]
    public void Create_CandidatesOfATrainedContext_AreRefused()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        foreach (var source in (PromptContexts[])[PromptContexts.Judge, PromptContexts.Standard, PromptContexts.Base | PromptContexts.Standard])
        {
            var objective = new Wanting(source);
            StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentException>(() => new TrainingRun(model, s_rows, objective, Plain)).Message,
                "Candidates come from the base context, or from one that the objective scores and does not train; not ");
        }
    }

    [TestMethod]
    public void Run_ResumedFromEveryStep_EndsAsTheUnbrokenRunToTheBit()
    {
        using var small = new SmallRun();
        foreach (var objective in (ITokenObjective[])[new SelfDistillationObjective(new() { TopTokens = 4 }), new EntropyAdaptiveObjective(5),
            new NaturalLanguageObjective(new() { SalientTarget = SalientTarget.Teacher, TeacherTokens = 6 })])
        {
            using var unbroken = small.Load();
            var options = new FineTuneOptions
            {
                Epochs = 2, BatchSize = 3, LearningRate = 5e-3, CheckpointFolder = Path.Combine(small.Checkpoints, objective.Name),
                CheckpointSteps = 1, CheckpointsKept = 100,
            };
            SmallRun.Run(unbroken, options, objective: objective);
            for (var step = 1; step <= 6; step++)
            {
                using var model = small.Load(threads: 1 + step % 2);
                var from = Path.Combine(options.CheckpointFolder, Checkpoint.FileName(step));
                var resumed = SmallRun.Run(model, options with { CheckpointFolder = null, ResumeFrom = from }, objective: objective);
                Assert.AreEqual(step, resumed.ResumedSteps);
                CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(model), $"{objective.Name}, resumed after step {step}");
            }
        }
    }

    [TestMethod]
    [DataRow(2, 0)]
    [DataRow(3, 1)]
    public void Run_OnSeveralProcesses_EqualsOneProcess(int size, int microBatch)
    {
        using var small = new SmallRun();
        var options = new FineTuneOptions { Epochs = 4, BatchSize = 3, MicroBatchSize = microBatch, LearningRate = 5e-3 };
        SelfDistillationObjective objective = new(new() { Alpha = 0.5, TopTokens = 5 });
        using var alone = small.Load();
        var expected = SmallRun.Run(alone, options, objective: objective);
        var members = ThreadGroup.Run(size, group =>
        {
            using var model = small.Load();
            var run = new TrainingRun(model, () => RunRows.Of(SmallRun.Rows(), null, options), objective, options, null, group);
            return (run.Run().Steps, SmallRun.State(model));
        });
        foreach (var (member, thrown) in members)
        {
            Assert.IsNull(thrown);
            foreach (var (a, b) in expected.Steps.Zip(member.Steps)) Assert.AreEqual(a.Loss, b.Loss, 1e-5, $"loss of step {a.Step}");
            CollectionAssert.AreEqual(members[0].Result.Item2, member.Item2, "the same weights to the bit");
        }
    }

    /// <summary>Recording scores a row again; its numbers are those that training used.</summary>
    [TestMethod]
    public void Run_RecordedRows_HaveTheCoefficientsOfTraining()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        var objective = new SelfDistillationObjective(new() { TopTokens = 3 });
        var result = new TrainingRun(model, s_rows, objective, Plain with { RecordedRows = [1, 4] }).Run();
        foreach (var (place, row) in ((int, int)[])[(0, 1), (1, 4)])
        {
            var recorded = result.Recorded[0].Rows[place].Saliency;
            var trained = model.Coefficients[0][row];
            for (var t = 0; t < recorded.Length; t++) Assert.AreEqual(recorded[t].Coefficient / 7, trained[4 * t], 1e-6, $"row {row}, token {t}");
        }
    }

    private sealed class Wanting(PromptContexts source) : ITokenObjective
    {
        public string Name => "wanting";
        public IReadOnlyList<KeyValuePair<string, string>> Settings => [];
        public PromptContexts ScoredContexts(Polarity polarity) => PromptContexts.Base | (polarity == Polarity.Incorrect ? PromptContexts.Judge : 0);
        public PromptContexts TrainedContexts(Polarity polarity) => ScoredContexts(polarity);
        public bool NeedsHiddenStates(Polarity polarity) => false;
        public CandidateSource Candidates(Polarity polarity) => new(source, 2);
        public TokenObjectiveResult Evaluate(ExampleScores scores) => throw new NotSupportedException();
    }
}
