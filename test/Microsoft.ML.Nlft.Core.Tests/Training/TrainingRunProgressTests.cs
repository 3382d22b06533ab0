using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>What a run reports, and how it ends early.</summary>
[TestClass]
public class TrainingRunProgressTests
{
    private static readonly FineTuneOptions Plain = new() { Epochs = 2, BatchSize = 4, LearningRate = 0.05, WarmupRatio = 0, Shuffle = false };

    [TestMethod]
    public void Run_EveryStep_ReportsItsFigures()
    {
        var time = new ManualTime();
        var model = new TableLanguageModel(Rows.Vocabulary) { OnForward = _ => time.Advance(2) };
        var told = new List<TrainingProgress>();
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Standard };
        var result = new TrainingRun(model, Rows.Seven(), objective, Plain, time).Run(new Listener(told.Add));

        CollectionAssert.AreEqual(result.Steps.ToArray(), told);
        Assert.IsFalse(result.Cancelled);
        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4 }, told.Select(p => p.Step).ToArray());
        Assert.IsTrue(told.All(p => p.TotalSteps == 4));
        CollectionAssert.AreEqual(new[] { 4 / 7.0, 1, 1 + 4 / 7.0, 2 }, told.Select(p => p.Epoch).ToArray());
        // 10 response tokens a window; base prompts of 2 tokens, standard prompts of 2: 4 rows 2 * (8 + 10), 3 rows 2 * (6 + 10).
        CollectionAssert.AreEqual(new long[] { 36, 68, 104, 136 }, told.Select(p => p.TokensSeen).ToArray());
        CollectionAssert.AreEqual(new[] { 18.0, 16, 18, 16 }, told.Select(p => p.TokensPerSecond).ToArray());
        CollectionAssert.AreEqual(new[] { 2.0, 4, 6, 8 }, told.Select(p => p.Elapsed.TotalSeconds).ToArray());
        CollectionAssert.AreEqual(new[] { 6.0, 4, 2, 0 }, told.Select(p => p.Remaining.TotalSeconds).ToArray());
        CollectionAssert.AreEqual(new[] { 0.4, 0.3, 0.4, 0.3 }, told.Select(p => p.SalientShare).ToArray()); // the first token of each row
        var mostLikely = FirstWindowMostLikely();
        Assert.AreEqual(mostLikely / 10.0, told[0].TokenAccuracy);
        Assert.AreEqual(Math.Sqrt(model.GradientsOfSteps[1].Sum(g => g * g)), told[1].GradientNorm, 1e-12);
    }

    private static int FirstWindowMostLikely()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        return Rows.Seven()[..4].Sum(row =>
        {
            int[] tokens = [row.Prompt(PromptContexts.Base).Span[^1], .. row.Response.Span];
            return Enumerable.Range(1, row.Response.Length).Count(t =>
            {
                var p = model.LogProbabilities(0, tokens[t - 1]);
                return Array.IndexOf(p, p.Max()) == tokens[t];
            });
        });
    }

    [TestMethod]
    public void Run_ContextsScoredOnce_StayOutOfRateAndEstimate()
    {
        var time = new ManualTime();
        var model = new TableLanguageModel(Rows.Vocabulary) { OnForward = _ => time.Advance(1) };
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Standard };
        var result = new TrainingRun(model, Rows.Seven(), objective, Plain with { Refresh = ContextRefresh.Once }, time).Run();
        CollectionAssert.AreEqual(new[] { 18.0, 16, 18, 16 }, result.Steps.Select(p => p.TokensPerSecond).ToArray()); // base only
        Assert.AreEqual(34 + 68, result.Steps[^1].TokensSeen); // all standard contexts once, all base contexts twice
    }

    [TestMethod]
    public void Run_Cancelled_ThrowsAndKeepsTheLastStep()
    {
        var (model, snapshots, run) = CancelInThirdStep(Plain with { MicroBatchSize = 2 });
        Assert.ThrowsExactly<OperationCanceledException>(() => run());
        Assert.HasCount(2, snapshots);
        CollectionAssert.AreEqual(snapshots[1], model.Weights);
        Assert.IsTrue(model.Gradients.All(g => g == 0), "the half-accumulated gradient is gone");
    }

    [TestMethod]
    public void Run_CancelledWithReturnPartial_ReturnsWhatIsDone()
    {
        var (model, snapshots, run) = CancelInThirdStep(Plain with { MicroBatchSize = 2, ReturnPartialOnCancel = true });
        var result = run();
        Assert.IsTrue(result.Cancelled);
        Assert.HasCount(2, result.Steps);
        CollectionAssert.AreEqual(snapshots[1], model.Weights);
        Assert.IsTrue(model.Gradients.All(g => g == 0));
    }

    [TestMethod]
    public void Run_CancelledBeforeTheFirstStep_DoesNothing()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Standard };
        var result = new TrainingRun(model, Rows.Seven(), objective, Plain with { ReturnPartialOnCancel = true, Refresh = ContextRefresh.Once })
            .Run(cancellationToken: new CancellationToken(canceled: true));
        Assert.IsTrue(result.Cancelled);
        Assert.IsEmpty(result.Steps);
        Assert.IsEmpty(model.ScoreCalls);
        CollectionAssert.AreEqual(new TableLanguageModel(Rows.Vocabulary).Weights, model.Weights);
    }

    [TestMethod]
    public void Run_CancelledAfterTheLastStep_IsComplete()
    {
        using var source = new CancellationTokenSource();
        var result = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new ScriptedObjective(),
            Plain with { ReturnPartialOnCancel = true }).Run(new Listener(p => { if (p.Step == p.TotalSteps) source.Cancel(); }), source.Token);
        Assert.IsFalse(result.Cancelled);
        Assert.HasCount(4, result.Steps);
    }

    [TestMethod]
    public void Run_ListenerThrows_EndsAfterACompleteStep()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        double[] weights = [];
        var listener = new Listener(p =>
        {
            weights = [.. model.Weights];
            if (p.Step == 2) throw new InvalidOperationException("the listener's own");
        });
        var thrown = Assert.ThrowsExactly<InvalidOperationException>(() => new TrainingRun(model, Rows.Seven(), new ScriptedObjective(), Plain)
            .Run(listener));
        Assert.AreEqual("the listener's own", thrown.Message);
        Assert.HasCount(2, model.GradientsOfSteps);
        CollectionAssert.AreEqual(weights, model.Weights);
        Assert.IsTrue(model.Gradients.All(g => g == 0));
    }

    private static (TableLanguageModel Model, List<double[]> Snapshots, Func<FineTuneResult> Run) CancelInThirdStep(FineTuneOptions options)
    {
        var source = new CancellationTokenSource();
        var model = new TableLanguageModel(Rows.Vocabulary) { OnForward = call => { if (call == 6) source.Cancel(); } }; // its second micro-batch
        var snapshots = new List<double[]>();
        var run = new TrainingRun(model, Rows.Seven(), new ScriptedObjective(), options);
        return (model, snapshots, () => run.Run(new Listener(_ => snapshots.Add([.. model.Weights])), source.Token));
    }
}
