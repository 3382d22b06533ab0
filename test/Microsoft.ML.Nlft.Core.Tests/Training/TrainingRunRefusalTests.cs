using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Options, rows and numbers that a run refuses, with the message in full.</summary>
[TestClass]
public class TrainingRunRefusalTests
{
    private static readonly FineTuneOptions Plain = new() { Epochs = 1, BatchSize = 4, LearningRate = 0.05, WarmupRatio = 0, Shuffle = false };

    private static IEnumerable<object[]> BadOptions() => new (FineTuneOptions Options, string Message)[]
    {
        (Plain with { Epochs =
            0 }, "option Epochs: found 0; expected 1 or more. Set the number of passes over the rows; the published runs take 10."),
        (Plain with { Epochs =
            -3 }, "option Epochs: found -3; expected 1 or more. Set the number of passes over the rows; the published runs take 10."),
        (Plain with { BatchSize = 0 }, "option BatchSize: found 0; expected 1 or more. Set the rows per optimizer step; the published runs take 4."),
        (Plain with { MicroBatchSize =
            -1 }, "option MicroBatchSize: found -1; expected 0 (all of the batch) to BatchSize, 4. Lower MicroBatchSize or raise BatchSize."),
        (Plain with { MicroBatchSize =
            5 }, "option MicroBatchSize: found 5; expected 0 (all of the batch) to BatchSize, 4. Lower MicroBatchSize or raise BatchSize."),
        (Plain with { LearningRate =
            0 }, "option LearningRate: found 0; expected a finite number above 0. Use 5e-5 as the published runs do, or up to 1e-3 for a small "
            + "model."),
        (Plain with { LearningRate =
            -0.5 }, "option LearningRate: found -0.5; expected a finite number above 0. Use 5e-5 as the published runs do, or up to 1e-3 for a "
            + "small model."),
        (Plain with { LearningRate =
            double.NaN }, "option LearningRate: found NaN; expected a finite number above 0. Use 5e-5 as the published runs do, or up to 1e-3 for a "
            + "small model."),
        (Plain with { LearningRate =
            double.PositiveInfinity }, "option LearningRate: found Infinity; expected a finite number above 0. Use 5e-5 as the published runs do, "
            + "or up to 1e-3 for a small model."),
        (Plain with { Schedule = (
            LearningRateSchedule)9 }, "option Schedule: found 9; expected Cosine, Linear or Constant. Name one of the schedules."),
        (Plain with { WarmupRatio =
            100 }, "option WarmupRatio: found 100; expected a share from 0 to 1. Give the share of the steps, for example 0.1 for 10 %, not a "
            + "number of steps."),
        (Plain with { WarmupRatio =
            -0.1 }, "option WarmupRatio: found -0.1; expected a share from 0 to 1. Give the share of the steps, for example 0.1 for 10 %, not a "
            + "number of steps."),
        (Plain with { WarmupRatio =
            double.NaN }, "option WarmupRatio: found NaN; expected a share from 0 to 1. Give the share of the steps, for example 0.1 for 10 %, not "
            + "a number of steps."),
        (Plain with { Optimizer = null! }, "option Optimizer: found nothing; expected AdamW options. Leave it out to use the defaults."),
        (Plain with { Optimizer = new() { Beta1 = 1 } }, "option Optimizer.Beta1: found 1; expected a number in [0, 1). Use 0.9."),
        (Plain with { Optimizer = new() { Beta2 = -0.1 } }, "option Optimizer.Beta2: found -0.1; expected a number in [0, 1). Use 0.999."),
        (Plain with { Optimizer = new() { Epsilon = 0 } }, "option Optimizer.Epsilon: found 0; expected a finite number above 0. Use 1e-8."),
        (Plain with { Optimizer =
            new() { WeightDecay =
            -1 } }, "option Optimizer.WeightDecay: found -1; expected a finite number, 0 or more. Use 0 to turn weight decay off."),
        (Plain with { Optimizer =
            new() { MaximumGradientNorm =
            0 } }, "option Optimizer.MaximumGradientNorm: found 0; expected a number above 0. Use 1.0, or double.PositiveInfinity to turn clipping "
            + "off."),
        (Plain with { Refresh = (
            ContextRefresh)7 }, "option Refresh: found 7; expected EveryStep, EveryEpoch or Once. Name one of the refresh modes."),
        (Plain with { Reduction = (LossReduction)7 }, "option Reduction: found 7; expected ExampleMean or TokenMean. Name one of the reductions."),
    }.Select(row => new object[] { row.Options, row.Message });

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void Constructor_OptionOutOfRange_IsRefused(FineTuneOptions options, string message) =>
        Assert.AreEqual(message,
            Refusal(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new ScriptedObjective(), options)));

    [TestMethod]
    public void Constructor_LimitsOfTheRanges_AreAccepted()
    {
        _ = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new ScriptedObjective(), new FineTuneOptions
        {
            Epochs = 1, BatchSize = 1, MicroBatchSize = 1, LearningRate = double.Epsilon, WarmupRatio = 1,
            Optimizer = new() { Beta1 = 0, Beta2 = 0, MaximumGradientNorm = double.PositiveInfinity },
        });
        _ = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new ScriptedObjective(), new FineTuneOptions());
    }

    [TestMethod]
    public void Constructor_TooManySteps_AreRefused() =>
        Assert.AreEqual("option Epochs: found 2147483647; expected at most 2147483647 steps in all, not 4294967294. Train for fewer epochs.",
            Refusal(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new ScriptedObjective(),
                Plain with { Epochs = int.MaxValue }).Run()));

    [TestMethod]
    public void Constructor_NothingToTrain_IsRefused() =>
        Assert.AreEqual("the model: found no trainable weights; expected LoRA factors or all weights. Load it with Trainable = "
            + "TrainableWeights.Lora.",
            Refusal(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary) { Trainable = TrainableWeights.None }, Rows.Seven(),
                new ScriptedObjective(), Plain)));

    [TestMethod]
    public void Constructor_ObjectiveTrainsTheStandardContext_IsRefused() =>
        Assert.ThrowsExactly<ArgumentException>(() => new TrainingRun(
            new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new ScriptedObjective { Trained = PromptContexts.Base | PromptContexts.Standard },
                Plain));

    private static IEnumerable<object[]> BadRows() => new (EncodedExample[] Rows, string Message)[]
    {
        ([], "training rows: found none; expected one or more. Check the file or the filter the rows come from."),
        ([Rows.Correct(1, 5),
            Rows.Correct(2)], "rows.jsonl, line 2, response: found no tokens; expected one or more. Leave the row out or give it a response."),
        ([new(Polarity.Incorrect, [5], [0], [], [2], "line 9")],
            "line 9, judge context: found no prompt; expected one, because the scripted objective scores it for incorrect responses. Give the row a "
                + "judgment, or use another objective."),
        ([new(Polarity.Correct, [5], [0], [], [], "line 9")],
            "line 9, standard context: found no prompt; expected one, because the scripted objective scores it for correct responses. Give the row "
                + "the missing text, or use another objective."),
        ([Rows.Correct(1, new int[63])],
            "rows.jsonl, line 1, base context: found 65 tokens; expected at most 64 (max_position_embeddings). Lower PromptOptions.MaximumTokens so "
                + "that the prompt is cut, or shorten the response."),
        ([Rows.Correct(1, 5, 8)], "rows.jsonl, line 1, response, token 2: found id 8; expected 0 to 7. Use the tokenizer that belongs to the model."),
        ([new(Polarity.Correct, [5], [0], [], [2, -1], "line 9")],
            "line 9, standard context, prompt, token 2: found id -1; expected 0 to 7. Use the tokenizer that belongs to the model."),
    }.Select(row => new object[] { row.Rows, row.Message });

    [TestMethod]
    [DynamicData(nameof(BadRows))]
    public void Constructor_RowThatDoesNotFit_IsRefusedByName(EncodedExample[] rows, string message)
    {
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard };
        Assert.AreEqual(message, Refusal(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), rows, objective, Plain).Run()));
        Assert.AreEqual(message, Refusal(() => new SaliencyAnalyzer(new TableLanguageModel(Rows.Vocabulary), objective).Analyze(rows)));
    }

    private const string Remedy = "The weights are those after step 1; lower LearningRate, or leave out the row if it is at fault.";

    private static IEnumerable<object[]> BadNumbers() => new (Func<ExampleScores, TokenObjectiveResult, TokenObjectiveResult> Spoil, string Message)[]
    {
        ((_, r) => r with { Loss =
            double.NaN }, $"training step 2, rows.jsonl, line 6, scripted loss: found NaN; expected a finite number. {Remedy}"),
        ((_, r) => r with { Loss =
            double.PositiveInfinity }, $"training step 2, rows.jsonl, line 6, scripted loss: found Infinity; expected a finite number. {Remedy}"),
        ((_, r) => r with { Coefficients = [0, double.NaN,
            0] }, $"training step 2, rows.jsonl, line 6, scripted coefficient: found NaN; expected a finite number. {Remedy}"),
        ((_, r) => r with { Coefficients = [0, 1e39,
            0] }, $"training step 2, rows.jsonl, line 6, scripted coefficient: found 1E+39; expected a finite number. {Remedy}"),
    }.Select(row => new object[] { row.Spoil, row.Message });

    [TestMethod]
    [DynamicData(nameof(BadNumbers))]
    public void Run_NumberNotFinite_IsRefusedAndTheWeightsStay(Func<ExampleScores, TokenObjectiveResult, TokenObjectiveResult> spoil, string message)
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        double[] afterStep1 = [];
        var objective = new ScriptedObjective
        {
            Script = scores =>
                scores.Base.Length == 3 && scores.Polarity == Polarity.Incorrect ? spoil(scores, ScriptedObjective.MeanLikelihood(scores))
                : ScriptedObjective.MeanLikelihood(scores),
        };
        var run = new TrainingRun(model, Rows.Seven(), objective, Plain with { MicroBatchSize = 1 });
        Assert.AreEqual(message, Refusal(() => run.Run(new Listener(_ => afterStep1 = [.. model.Weights]))));
        CollectionAssert.AreEqual(afterStep1, model.Weights);
        Assert.IsTrue(model.Gradients.All(g => g == 0));
    }

    [TestMethod]
    [DataRow(0, "base")]
    [DataRow(1, "judge")]
    [DataRow(2, "standard")]
    public void Run_ScoreNaN_NamesStepRowAndContext(int context, string name)
    {
        var objective = new ScriptedObjective { Scored = PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard };
        var model = new TableLanguageModel(Rows.Vocabulary) { PoisonedContext = context };
        Assert.AreEqual($"training step 1, rows.jsonl, line 2, {name} context: found log-probability NaN at response token 1; expected numbers. " +
            "The weights are those before the first step; lower LearningRate, or leave out the row if it is at fault.",
            Refusal(() => new TrainingRun(model, Rows.Seven()[1..2], objective, Plain).Run()));
        Assert.IsEmpty(objective.Seen);
    }

    [TestMethod]
    public void Run_ProbabilityOfZero_IsAccepted()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        for (var x = 0; x < Rows.Vocabulary; x++) model.Weights[x * Rows.Vocabulary + 7] = double.NegativeInfinity;
        var objective = new ScriptedObjective { Script = scores => ScriptedObjective.MeanLikelihood(scores) with { Loss = 1 } };
        var result = new TrainingRun(model, [Rows.Correct(1, 5, 7)], objective, Plain).Run();
        Assert.AreEqual(double.NegativeInfinity, objective.Seen[0].Base[1]);
        Assert.HasCount(1, result.Steps);
    }

    [TestMethod]
    public void Run_GradientNormNotFinite_NamesTheStepAndTheRows()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        model.OnForward = call => { if (call == 2) model.Gradients[0] = double.PositiveInfinity; };
        double[] afterStep1 = [];
        Assert.AreEqual("training step 2, gradient norm of rows.jsonl, line 5; rows.jsonl, line 6; rows.jsonl, line 7: found Infinity; expected a "
            + "finite number. " + Remedy,
            Refusal(() => new TrainingRun(model, Rows.Seven(), new ScriptedObjective(), Plain)
                .Run(new Listener(_ => afterStep1 = [.. model.Weights]))));
        CollectionAssert.AreEqual(afterStep1, model.Weights);
    }

    [TestMethod]
    public void Run_ObjectiveRefuses_NamesTheRow()
    {
        var objective = new ScriptedObjective { Script = scores => throw new NlftException("scores", "x", "y", "Z.") };
        Assert.AreEqual("training step 1, rows.jsonl, line 1, scores: found x; expected y. Z.",
            Refusal(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), objective, Plain).Run()));
    }

    [TestMethod]
    public void Run_ObjectiveMiscountsItsTokens_IsABug()
    {
        var objective = new ScriptedObjective { Script = scores => ScriptedObjective.MeanLikelihood(scores) with { Coefficients = [1] } };
        var thrown = Assert.ThrowsExactly<InvalidOperationException>(() => new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(),
            objective, Plain).Run());
        Assert.AreEqual("The scripted objective gave 1 base coefficients, 0 judge coefficients, "
            + "0 candidate coefficients and 3 tokens for the 3 tokens and 0 candidates of training step 1, "
            + "rows.jsonl, line 1.", thrown.Message);
    }

    private static string Refusal(Func<object> action) => Assert.ThrowsExactly<NlftException>(action).Message;
}
