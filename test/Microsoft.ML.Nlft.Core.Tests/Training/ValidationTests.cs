using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Rows held out of a run, evaluated during it: when, with what figures, which weights are kept, when the run stops.</summary>
[TestClass]
public sealed class ValidationTests
{
    private const int Steps = 8;

    private static readonly FineTuneOptions Plain = new() { Epochs = Steps, BatchSize = 2, LearningRate = 0.05, WarmupRatio = 0 };

    /// <summary>Six rows; the prompt's last token tells them apart.</summary>
    private static EncodedExample[] Six() =>
        [.. Enumerable.Range(0, 6)
            .Select(id => new EncodedExample(Polarity.Correct, [3 + id % 5, 7], [0, id + 2], [], [2, id + 2], $"row {id + 1}"))];

    private static EncodedExample Held => new(Polarity.Correct, [5, 4, 3, 6, 7], [0, 1], [], [2, 1], "held");

    [TestMethod]
    [DataRow(0.01, 1)]
    [DataRow(0.2, 1)]
    [DataRow(0.34, 2)]
    [DataRow(0.5, 3)]
    [DataRow(0.99, 5)]
    public void Run_Share_HoldsOutRowsThatNeverTrain(double share, int count)
    {
        for (var seed = 1; seed <= 5; seed++)
        {
            var model = new TableLanguageModel(Rows.Vocabulary);
            var run = new TrainingRun(model, Six(), new LikelihoodObjective(), Plain with { Validation = new() { Share = share }, Seed = seed });
            Assert.AreEqual((6 - count, count), (run.Description.Rows, run.Description.ValidationRows));
            var result = run.Run();
            HashSet<int> trained = [.. model.ForwardCalls.SelectMany(call => call.Sequences).Select(Id)];
            HashSet<int> evaluated = [.. model.ScoreCalls.SelectMany(call => call).Select(Id)];
            Assert.HasCount(6 - count, trained);
            Assert.HasCount(count, evaluated);
            Assert.IsFalse(trained.Overlaps(evaluated), $"seed {seed}");
            Assert.HasCount(Steps + 1, result.Validation);
        }

        static int Id(TokenSequence sequence) => sequence.Tokens.Span[1];
    }

    [TestMethod]
    public void Run_ValidationRows_TrainsAsWithoutThem()
    {
        double[] Train(EncodedExample[]? validation, ValidationOptions options)
        {
            var model = new TableLanguageModel(Rows.Vocabulary);
            var run = new TrainingRun(model, Six(), new LikelihoodObjective(), Plain with { Validation = options }, validation: validation);
            run.Run();
            return model.Weights;
        }
        CollectionAssert.AreEqual(Train(null, new()), Train([Held], new() { Steps = 1, KeepBest = false }));
    }

    [TestMethod]
    [DataRow(0, new[] { 0, 3, 6, 9, 12, 15, 18, 21, 24 })]
    [DataRow(1, new[] { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24 })]
    [DataRow(7, new[] { 0, 7, 14, 21, 24 })]
    [DataRow(12, new[] { 0, 12, 24 })]
    [DataRow(100, new[] { 0, 24 })]
    public void Run_Interval_EvaluatesBeforeTrainingThenAtItsStepsAndTheLast(int interval, int[] steps)
    {
        var told = new List<TrainingProgress>();
        var run = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Six(), new LikelihoodObjective(),
            Plain with { Validation = new() { Steps = interval } }, validation: [Held]);
        var result = run.Run(new Listener(told.Add));
        CollectionAssert.AreEqual(steps, result.Validation.Select(report => report.Step).ToArray());
        foreach (var report in result.Validation) Assert.AreEqual(report.Step / 3.0, report.Epoch, 1e-12);
        foreach (var progress in told)
        {
            foreach (var report in progress.Validation) Assert.AreEqual(progress.Step, Math.Max(1, report.Step), "reported with its step");
        }
    }

    [TestMethod]
    [DataRow(LossReduction.ExampleMean, 0)]
    [DataRow(LossReduction.TokenMean, 1)]
    public void Run_Loss_IsTheObjectiveOnTheHeldOutRows(LossReduction reduction, int microBatch)
    {
        var (model, objective, rows) = (new TableLanguageModel(Rows.Vocabulary), new NaturalLanguageObjective(), Rows.Seven());
        var options = Plain with { Reduction = reduction, MicroBatchSize = microBatch, Validation = new() { KeepBest = false } };
        var before = Mean(reduction);
        var result = new TrainingRun(model, rows[..2], objective, options, validation: Renamed()).Run();
        Assert.AreEqual(before, result.Validation[0].Loss, 1e-12);
        Assert.AreEqual(Mean(reduction), result.Validation[^1].Loss, 1e-12);

        double Mean(LossReduction kind)
        {
            var seen = new SaliencyAnalyzer(model, objective).Analyze(Renamed());
            return kind == LossReduction.ExampleMean ? seen.Average(row => row.Loss)
                : seen.Sum(row => row.Loss * row.Tokens.Length) / seen.Sum(row => row.Tokens.Length);
        }

        // the same rows with other questions
        EncodedExample[] Renamed() => [.. rows[2..].Select((row, i) => new EncodedExample(row.Polarity, row.Response.ToArray(), [0, i, 3],
            row.Polarity == Polarity.Correct ? [] : [1, i, 5], [2, 4], row.Source))];
    }

    /// <summary>The losses of the evaluations, the first before training: patience and best follow from them alone.</summary>
    [TestMethod]
    [DataRow("9 5 4 3 2 1 1 1 1", 3, 0.0, 8, 5, false)] // equal ones are no gain; the last step ends the run anyway
    [DataRow("9 5 4 6 6 6 1 1 1", 3, 0.0, 5, 2, true)]
    [DataRow("1 5 6 7 8 9 9 9 9", 1, 0.0, 2, 1, true)] // that before training is no candidate
    [DataRow("9 5 4 6 3 6 6 6 1", 3, 0.0, 7, 4, true)] // a gain starts the count again
    [DataRow("9 5 4.9 4.8 4.7 1 1 1 1", 4, 0.5, 8, 5, false)] // 4.9 to 4.7 are no gains of 0.5, 1 is
    [DataRow("9 5 4.9 4.8 4.7 4.6 1 1 1", 4, 0.5, 5, 5, true)] // the best counts without a gain
    [DataRow("9 5 4.8 4.6 4.4 4.2 4 3.8 3.6", 3, 0.5, 8, 8, false)] // small gains add up
    [DataRow("9 5 6 7 8 9 9 9 4", 0, 0.0, 8, 8, false)] // without patience to the end
    public void Run_Patience_StopsAndReturnsTheBestWeights(string losses, int patience, double gain, int lastStep, int best, bool stopped)
    {
        var script = new Queue<double>(losses.Split(' ').Select(loss => double.Parse(loss, System.Globalization.CultureInfo.InvariantCulture)));
        var objective = new ScriptedObjective
        {
            Script = scores => ScriptedObjective.MeanLikelihood(scores) is var seen && scores.Base.Length == Held.Response.Length
                ? seen with { Loss = script.Dequeue() } : seen,
        };
        var model = new TableLanguageModel(Rows.Vocabulary);
        var weights = new List<double[]>();
        var options = Plain with { BatchSize = 6, Validation = new() { Patience = patience, MinimumGain = gain } };
        var result = new TrainingRun(model, Six(), objective, options, validation: [Held]).Run(new Listener(_ => weights.Add([.. model.Weights])));
        Assert.HasCount(lastStep, result.Steps);
        Assert.AreEqual((best, stopped, true), (result.Best!.Step, result.StoppedEarly, result.KeptBest));
        CollectionAssert.AreEqual(Floats(weights[best - 1]), Floats(model.Weights));
        Assert.AreEqual(result.Best, result.Validation.Last(report => report.IsBest));
        if (stopped) Assert.AreEqual(patience, result.Validation[^1].WithoutGain);

        static float[] Floats(double[] values) => Array.ConvertAll(values, value => (float)value);
    }

    [TestMethod]
    public void Run_Cancelled_ReturnsTheBestSoFarOrTheLastBeforeAnyEvaluation()
    {
        foreach (var (step, best) in new (int, int?)[] { (1, null), (2, null), (3, 3), (8, 6) })
        {
            using var source = new CancellationTokenSource();
            var result = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Six(), new LikelihoodObjective(),
                Plain with { ReturnPartialOnCancel = true }, validation: [Held])
                .Run(new Listener(progress => { if (progress.Step == step) source.Cancel(); }), source.Token);
            Assert.AreEqual((true, best is not null), (result.Cancelled, result.KeptBest));
            if (best is not null) Assert.IsLessThanOrEqualTo(best.Value, result.Best!.Step);
            else Assert.IsNull(result.Best);
        }
    }

    [TestMethod]
    public void Run_NotANumber_NamesTheEvaluationAndTheRow()
    {
        var model = new TableLanguageModel(Rows.Vocabulary) { PoisonedContext = 0 };
        Assert.AreEqual("validation before training, held, base context: found log-probability NaN at response token 1; expected numbers. "
            + "Lower LearningRate, or leave out the row if it is at fault.",
            Assert.ThrowsExactly<NlftException>(() =>
                new TrainingRun(model, Six(), new LikelihoodObjective(), Plain, validation: [Held]).Run()).Message);
    }

    public static IEnumerable<object[]> Refused() => new (ValidationOptions Options, string Message)[]
    {
        (new() { Share = 1 },
            "option Validation.Share: found 1; expected a share from 0 to below 1. Give for example 0.1 for 10 % of the questions."),
        (new() { Share = -0.1 },
            "option Validation.Share: found -0.1; expected a share from 0 to below 1. Give for example 0.1 for 10 % of the questions."),
        (new() { Share = double.NaN },
            "option Validation.Share: found NaN; expected a share from 0 to below 1. Give for example 0.1 for 10 % of the questions."),
        (new() { Share = 0.5, Steps = -1 }, "option Validation.Steps: found -1; expected 0 or more. Use 0 for one evaluation per epoch."),
        (new() { Share = 0.5, Patience = -2 }, "option Validation.Patience: found -2; expected 0 or more. Use 0 to train all epochs."),
        (new() { Share = 0.5, MinimumGain = double.PositiveInfinity },
            "option Validation.MinimumGain: found Infinity; expected a finite number, 0 or more. Use 0 to count every gain."),
        (new() { Share = 0.5, GeneratedRows = -1 },
            "option Validation.GeneratedRows: found -1; expected 0 or more. Use 0 to measure the loss only."),
        (new() { Share = 0.5, Measure = ValidationMeasure.Accuracy }, "option Validation.GeneratedRows: found 0; expected 1 or more, because Measure "
            + "is Accuracy. Set how many held-out questions to answer, or Measure to Loss."),
        (new() { Share = 0.5, Measure = (ValidationMeasure)7 },
            "option Validation.Measure: found 7; expected Loss or Accuracy. Name one of the measures."),
        (new() { Share = 0.5, MaximumNewTokens = 0 },
            "option Validation.MaximumNewTokens: found 0; expected 1 or more. Set the longest answer you want, for example 512."),
        (new() { Share = 0.5, Comparison = (AnswerComparison)9 },
            "option Validation.Comparison: found 9; expected Number, PublishedString or Text. Name one of the comparisons."),
        (new() { Share = 0.5, SampleAnswers = -1 }, "option Validation.SampleAnswers: found -1; expected 0 or more. Use 0 to show none."),
        (new() { Patience = 2 }, "option Validation.Patience: found 2; expected 0, because no row is held out. Give validation rows, or set "
            + "Validation.Share."),
        (new() { Steps = 5 }, "option Validation.Steps: found 5; expected 0, because no row is held out. Give validation rows, or set "
            + "Validation.Share."),
        (new() { Share = 0.5, GeneratedRows = 2 }, "option Validation.GeneratedRows: found 2; expected 0 for a network without a tokenizer. Train a "
            + "LocalModel to see answers, or set it to 0."),
    }.Select(refusal => new object[] { refusal.Options, refusal.Message });

    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void Constructor_OptionsOutOfRange_AreRefused(ValidationOptions options, string message) => Assert.AreEqual(message,
        Assert.ThrowsExactly<NlftException>(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Six(), new LikelihoodObjective(),
            Plain with { Validation = options })).Message);

    [TestMethod]
    public void Constructor_RowsThatCannotValidate_AreRefused()
    {
        string Refusal(EncodedExample[] rows, EncodedExample[]? validation, double share = 0) => Assert.ThrowsExactly<NlftException>(() =>
            new TrainingRun(new TableLanguageModel(Rows.Vocabulary), rows, new LikelihoodObjective(),
                Plain with { Validation = new() { Share = share } }, validation: validation)).Message;
        Assert.AreEqual("option Validation: found nothing; expected validation options. Leave it out to use the defaults.",
            Assert.ThrowsExactly<NlftException>(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Six(), new LikelihoodObjective(),
                Plain with { Validation = null! })).Message);
        Assert.AreEqual("validation rows: found none; expected one or more. Leave them out to train without validation.", Refusal(Six(), []));
        Assert.AreEqual("option Validation.Share: found 0.5; expected 0, because validation rows are given. Leave one of them out.",
            Refusal(Six(), [Held], 0.5));
        Assert.AreEqual("option Validation.Share: found 0.5; expected 0 for rows of a single question. Add rows of other questions, or train without "
            + "validation.", Refusal([Six()[0], Six()[0]], null, 0.5));
        Assert.AreEqual("validation rows: found 2 whose question is also trained: first row 2, as in row 2; expected questions that no training row "
            + "asks. Leave these rows out on one side, or let Validation.Share hold out questions.", Refusal(Six(), [Held, Six()[1], Six()[4]]));
        StringAssert.StartsWith(Refusal(Six(), [new EncodedExample(Polarity.Correct, [99], [0, 1], [], [2, 1], "held")]), "held, response");
    }
}
