using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

[TestClass]
public class TrainingRunTests
{
    private static readonly FineTuneOptions Plain = new() { Epochs = 1, BatchSize = 4, LearningRate = 0.05, WarmupRatio = 0, Shuffle = false };

    private static (TableLanguageModel Model, ScriptedObjective Objective, FineTuneResult Result) Train(
        FineTuneOptions options, ScriptedObjective? objective = null, EncodedExample[]? rows = null)
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        objective ??= new ScriptedObjective();
        return (model, objective, new TrainingRun(model, rows ?? Rows.Seven(), objective, options).Run());
    }

    [TestMethod]
    public void Run_Gradient_IsTheDerivativeOfTheReportedWindowLoss()
    {
        static double Weight(int t) => 1 + 0.25 * t;
        var rows = Rows.Seven()[..3];
        var (model, _, result) = Train(Plain, new ScriptedObjective { Script = scores => ScriptedObjective.Weighted(scores, Weight) }, rows);

        var fresh = new TableLanguageModel(Rows.Vocabulary);
        Assert.AreEqual(WindowLoss(), result.Steps[0].Loss, 1e-6);
        const double h = 1e-6;
        for (var i = 0; i < fresh.Weights.Length; i++)
        {
            var weight = fresh.Weights[i];
            fresh.Weights[i] = weight + h;
            var above = WindowLoss();
            fresh.Weights[i] = weight - h;
            var below = WindowLoss();
            fresh.Weights[i] = weight;
            Assert.AreEqual((above - below) / (2 * h), model.GradientsOfSteps[0][i], 1e-7, $"weight {i}");
        }

        double WindowLoss() => rows.Average(row =>
        {
            var (loss, previous) = (0.0, row.Prompt(PromptContexts.Base).Span[^1]);
            for (var t = 0; t < row.Response.Length; t++)
            {
                loss -= Weight(t) * fresh.LogProbabilities(row.Prompt(PromptContexts.Base).Span[0],
                    previous)[row.Response.Span[t]] / row.Response.Length;
                previous = row.Response.Span[t];
            }

            return loss;
        });
    }

    [TestMethod]
    [DataRow(1, LossReduction.ExampleMean)]
    [DataRow(2, LossReduction.ExampleMean)]
    [DataRow(3, LossReduction.ExampleMean)]
    [DataRow(1, LossReduction.TokenMean)]
    [DataRow(3, LossReduction.TokenMean)]
    public void Run_MicroBatches_EqualOneBatch(int microBatch, LossReduction reduction)
    {
        var options = Plain with { Epochs = 3, Shuffle = true, Reduction = reduction };
        ScriptedObjective Objective() => new()
        {
            Scored = PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard,
            Trained = PromptContexts.Base | PromptContexts.Judge,
            Script = WithJudge,
        };
        var (whole, _, expected) = Train(options, Objective());
        var (split, _, actual) = Train(options with { MicroBatchSize = microBatch }, Objective());

        Assert.HasCount(6, actual.Steps); // 7 rows in windows of 4: 4 + 3, three times
        for (var i = 0; i < 6; i++)
        {
            Assert.AreEqual(expected.Steps[i].Loss, actual.Steps[i].Loss, 1e-6);
            Assert.AreEqual(expected.Steps[i].GradientNorm, actual.Steps[i].GradientNorm, 1e-6);
            Assert.AreEqual(expected.Steps[i].TokenAccuracy, actual.Steps[i].TokenAccuracy);
            Assert.AreEqual(expected.Steps[i].TokensSeen, actual.Steps[i].TokensSeen);
        }

        for (var i = 0; i < whole.Weights.Length; i++) Assert.AreEqual(whole.Weights[i], split.Weights[i], 1e-6);
        CollectionAssert.AreEquivalent(DropoutSeeds(whole), DropoutSeeds(split), "dropout must not depend on the micro-batches");

        static ulong[] DropoutSeeds(TableLanguageModel model) =>
            [.. model.ForwardCalls.SelectMany(call => call.Sequences).Select(s => s.DropoutSeed)];
    }

    [TestMethod]
    public void Run_ExampleMean_WeighsEveryRowTheSame()
    {
        var (model, _, _) = Train(Plain);
        // Each row's coefficients are 1/n: they add up to 1 per row, so to a quarter in the window of 4 and a third in the last of 3.
        Assert.HasCount(2, model.Coefficients);
        foreach (var (window, share) in model.Coefficients.Zip([1.0 / 4, 1.0 / 3]))
        {
            foreach (var row in window) Assert.AreEqual(share, row.Sum(c => (double)c), 1e-6);
        }
    }

    [TestMethod]
    public void Run_TokenMean_WeighsEveryTokenTheSame()
    {
        var (model, _, _) = Train(Plain with { Reduction = LossReduction.TokenMean });
        foreach (var (window, tokens) in model.Coefficients.Zip([10, 10])) // 3 + 4 + 2 + 1 and 5 + 3 + 2 response tokens
        {
            foreach (var coefficient in window.SelectMany(row => row)) Assert.AreEqual(1.0 / tokens, coefficient, 1e-7);
        }
    }

    [TestMethod]
    public void Run_ConstantContextsOfAMicroBatch_AreScoredInOneCall()
    {
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard };
        var (model, _, _) = Train(Plain with { MicroBatchSize = 2 }, objective);
        // Micro-batches 2, 2 and 2, 1; correct rows have no judge context, incorrect ones have both.
        CollectionAssert.AreEqual(new[] { 3, 3, 3, 1 }, model.ScoreCalls.Select(call => call.Length).ToArray());
        Assert.IsTrue(model.ScoreCalls.SelectMany(call => call).All(s => s.Tokens.Span[0] is 1 or 2 && s.DropoutSeed == 0));
        Assert.IsTrue(model.ForwardCalls.All(call => call.Sequences.All(s => s.Tokens.Span[0] == 0)));
        foreach (var scores in objective.Seen)
        {
            Assert.HasCount(scores.Polarity == Polarity.Correct ? 0 : scores.Base.Length, scores.Judge);
            Assert.HasCount(scores.Base.Length, scores.Standard);
        }
    }

    [TestMethod]
    public void Run_TrainedJudgeContext_ReceivesItsCoefficients()
    {
        var objective = new ScriptedObjective
        {
            Scored = PromptContexts.Base | PromptContexts.Judge,
            Trained = PromptContexts.Base | PromptContexts.Judge,
            Script = WithJudge,
        };
        var (model, _, _) = Train(Plain with { BatchSize = 2 }, objective, Rows.Seven()[..2]);
        Assert.IsEmpty(model.ScoreCalls);
        CollectionAssert.AreEqual(new[] { 0, 0, 1 }, model.ForwardCalls[0].Sequences.Select(s => s.Tokens.Span[0]).ToArray());
        Assert.HasCount(3, model.ForwardCalls[0].Sequences.Select(s => s.DropoutSeed).Distinct().ToArray());
        Assert.IsTrue(model.Coefficients[0][2].All(c => Math.Abs(c - 2.0 / 4 / 2) < 1e-7), "2/n per token, half a window's share");
        var expected = new TableLanguageModel(Rows.Vocabulary).LogProbabilities(1, 5)[4];
        Assert.AreEqual(expected, objective.Seen[1].Judge[0], 1e-6);
    }

    [TestMethod]
    [DataRow(ContextRefresh.EveryStep, 6)]
    [DataRow(ContextRefresh.EveryEpoch, 6)]
    [DataRow(ContextRefresh.Once, 2)]
    public void Run_Refresh_ScoresConstantContextsAsOften(ContextRefresh refresh, int scoreCalls)
    {
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Standard };
        var (model, _, _) = Train(Plain with { Epochs = 3, Refresh = refresh }, objective);
        Assert.HasCount(scoreCalls, model.ScoreCalls); // 7 rows in batches of 4: two calls each time
        var last = objective.Seen[6].Standard; // row 7, second step of epoch 1
        var lastAgain = objective.Seen[13].Standard;
        var atTheStart = new TableLanguageModel(Rows.Vocabulary).LogProbabilities(2, 3)[4];
        if (refresh == ContextRefresh.EveryStep) Assert.AreNotEqual(atTheStart, last[0], 1e-4, "scored after the first step");
        else Assert.AreEqual(atTheStart, last[0], 1e-6, "scored before the first step");
        if (refresh == ContextRefresh.Once) CollectionAssert.AreEqual(last, lastAgain);
        else Assert.AreNotEqual(last[0], lastAgain[0], 1e-4, "scored again in epoch 2");
    }

    [TestMethod]
    public void Run_RefreshEveryEpoch_ScoresWithTheWeightsAtItsBeginning()
    {
        var snapshots = new List<double[]>();
        var model = new TableLanguageModel(Rows.Vocabulary);
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Standard };
        new TrainingRun(model, Rows.Seven(), objective, Plain with { Epochs = 2, Refresh = ContextRefresh.EveryEpoch })
            .Run(new Listener(_ => snapshots.Add([.. model.Weights])));
        var afterEpoch1 = new TableLanguageModel(Rows.Vocabulary);
        snapshots[1].CopyTo(afterEpoch1.Weights, 0);
        foreach (var row in new[] { 0, 2, 4, 6 }) // correct rows end their standard prompt with token 3
            Assert.AreEqual(afterEpoch1.LogProbabilities(2, 3)[Rows.Seven()[row].Response.Span[0]], objective.Seen[7 + row].Standard[0], 1e-6);
    }

    [TestMethod]
    public void Run_HiddenStates_AreRequestedOnlyWhereARowNeedsThem()
    {
        var objective = new ScriptedObjective { HiddenStates = true }; // for incorrect rows
        var (model, _, _) = Train(Plain with { BatchSize = 1 }, objective);
        CollectionAssert.AreEqual(new[] { false, true, false, true, false, true, false },
            model.ForwardCalls.Select(call => call.HiddenStates).ToArray());
        CollectionAssert.AreEqual(new float[] { 0, 4, 0, 4, 0, 4, 0, 3 }, objective.Seen[1].HiddenStates.ToArray());
        Assert.IsTrue(objective.Seen[0].HiddenStates.IsEmpty);
    }

    [TestMethod]
    public void Run_SameSeed_GivesTheSameWeights()
    {
        var options = Plain with { Epochs = 2, Shuffle = true, BatchSize = 2, MicroBatchSize = 1 };
        var (a, _, _) = Train(options);
        var (b, _, _) = Train(options);
        var (c, _, _) = Train(options with { Seed = 7 });
        CollectionAssert.AreEqual(a.Weights, b.Weights);
        CollectionAssert.AreNotEqual(a.Weights, c.Weights);
        Assert.HasCount(14, a.ForwardCalls.SelectMany(call => call.Sequences).Select(s => s.DropoutSeed).Distinct().ToArray());
    }

    [TestMethod]
    public void Run_ManySteps_LowerTheLoss()
    {
        var (_, _, result) = Train(Plain with { Epochs = 40, BatchSize = 7 });
        Assert.IsLessThan(0.6 * result.Steps[0].Loss, result.Steps[^1].Loss);
        Assert.IsGreaterThan(result.Steps[0].TokenAccuracy, result.Steps[^1].TokenAccuracy);
    }

    [TestMethod]
    public void Run_Schedule_ReachesTheOptimizer()
    {
        var (_, _, result) = Train(Plain with { Epochs = 5, WarmupRatio = 0.2, Schedule = LearningRateSchedule.Linear }); // 10 steps
        var expected = new[] { 0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125 };
        for (var i = 0; i < 10; i++) Assert.AreEqual(0.05 * expected[i], result.Steps[i].LearningRate, 1e-12);
        var (model, _, _) = Train(Plain with { BatchSize = 8, WarmupRatio = 1 });
        CollectionAssert.AreNotEqual(new TableLanguageModel(Rows.Vocabulary).Weights, model.Weights, "a run of one step trains");
    }

    /// <summary>The mean likelihood of base and, twice as heavy, of the judge context (where there is one).</summary>
    private static TokenObjectiveResult WithJudge(ExampleScores scores)
    {
        var plain = ScriptedObjective.MeanLikelihood(scores);
        return scores.Judge.Length == 0 ? plain : plain with
        {
            Loss = plain.Loss - 2 * scores.Judge.Average(),
            JudgeCoefficients = Array.ConvertAll(plain.Coefficients, c => 2 * c),
        };
    }
}

/// <summary>Progress told at once and on the same thread.</summary>
internal sealed class Listener(Action<TrainingProgress> told) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => told(value);
}
