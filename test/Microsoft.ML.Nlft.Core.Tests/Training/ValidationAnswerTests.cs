using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Questions held out of the sample model's training, and its answers to them.</summary>
[TestClass]
public sealed class ValidationAnswerTests
{
    private static readonly string s_model = Path.Combine(Fixtures.RepositoryRoot(), "samples", "models", "tiny-word-problems");

    private static readonly FineTuneOptions Plain = new()
    {
        Epochs = 2, BatchSize = 4, LearningRate = 1e-3, Validation = new() { Share = 0.4, GeneratedRows = 3, MaximumNewTokens = 48 },
    };

    private static IReadOnlyList<TrainingExample> SampleRows =>
        [.. DataFile.ReadExamples(Path.Combine(Fixtures.RepositoryRoot(), "samples", "data", "rows.jsonl")).Take(10)];

    private static LocalModel Load() => LocalModel.Load(s_model, new() { Trainable = TrainableWeights.Lora });

    [TestMethod]
    public void Run_GeneratedRows_CountsRightAnswersAndShowsSamples()
    {
        using var model = Load();
        var options = Plain with { Validation = Plain.Validation with { SampleAnswers = 2 } };
        var result = model.FineTune(SampleRows, new NaturalLanguageObjective(), options);
        Assert.HasCount(3, result.Validation);
        foreach (var report in result.Validation)
        {
            Assert.AreEqual(3, report.Answered);
            Assert.AreEqual(report.Correct / 3.0, report.Accuracy);
            Assert.HasCount(2, report.Samples);
            CollectionAssert.AreEqual(result.Validation[0].Samples.Select(sample => sample.Question).ToArray(),
                report.Samples.Select(sample => sample.Question).ToArray(), "the same questions every time");
            foreach (var sample in report.Samples)
                Assert.AreEqual(ExactMatchEvaluator.Compare(sample.Answer, sample.Expected).Outcome, sample.Outcome);
        }
        var samples = result.Validation[result.Best!.Step == 4 ? ^1 : ^2].Samples;
        CollectionAssert.AreEqual(model.Answer([.. samples.Select(sample => sample.Question)], new() { MaximumNewTokens = 48 })
            .Select(answer => answer.Text).ToArray(), samples.Select(sample => sample.Answer).ToArray(), "the model has the best weights");
    }

    [TestMethod]
    [DataRow(2)]
    [DataRow(4)]
    public void Run_SeveralProcesses_AnswerAsOne(int size)
    {
        var options = Plain with { Epochs = 1, LearningRate = 1e-9, Validation = Plain.Validation with { GeneratedRows = 4 } };
        using var alone = Load();
        var expected = Lines(alone.FineTune(SampleRows, new NaturalLanguageObjective(), options));
        foreach (var (lines, thrown) in ThreadGroup.Run(size, group =>
        {
            using var model = Load();
            var run = new TrainingRun(model.Network, () => RunRows.Of(model, SampleRows, null, options), new NaturalLanguageObjective(), options,
                null, group);
            return Lines(run.Run());
        }))
        {
            Assert.IsNull(thrown);
            CollectionAssert.AreEqual(expected, lines);
        }

        static string[] Lines(FineTuneResult result) => [.. result.Validation.SelectMany(report => report.Lines())];
    }

    [TestMethod]
    [DataRow(1e-3, 0.0)]
    [DataRow(1e-4, 0.0)]
    [DataRow(1e-5, 0.0)]
    [DataRow(3e-3, 0.0)]
    [DataRow(1e-4, 0.5)]
    public void Run_MeasureAccuracy_KeepsTheMostAccurateAndOfThoseTheLowestLoss(double rate, double minimumGain)
    {
        using var model = Load();
        var validation = Plain.Validation with { Measure = ValidationMeasure.Accuracy, Patience = 10, MinimumGain = minimumGain };
        var options = Plain with { Epochs = 4, LearningRate = rate, Validation = validation };
        var result = model.FineTune(SampleRows, new NaturalLanguageObjective(), options);
        var (best, gained) = (result.Validation[1], result.Validation[1]);
        foreach (var report in result.Validation.Skip(2))
        {
            if (IsBetter(report, best, 0)) best = report;
            if (IsBetter(report, gained, minimumGain)) gained = report;
            else Assert.IsGreaterThan(0, report.WithoutGain);
        }
        Assert.AreEqual((best.Step, gained.Step), (result.Best!.Step, result.Validation.Last(report => report.WithoutGain == 0).Step));

        static bool IsBetter(ValidationReport report, ValidationReport earlier, double gain) => report.Accuracy == earlier.Accuracy
            ? gain == 0 && report.Loss < earlier.Loss : report.Accuracy - earlier.Accuracy > gain;
    }

    [TestMethod]
    [DataRow("What is 2 + 3?", "What is 2 + 3?")]
    [DataRow("What is 2 + 3?", "what  is 2 + 3?")]
    [DataRow("What is 2 + 3?", " What is\n2 + 3? ")]
    [DataRow("What is 2 + 3?", "WHAT IS\t2 + 3?")]
    [DataRow("\u00dcber 2 + 3?", "\u00fcber 2 + 3?")]
    public void Of_RepeatedQuestions_StayOnOneSide(string question, string repeated)
    {
        using var model = Load();
        TrainingExample Row(string asked, string response) => new() { Question = asked, Response = response, Answer = "5", Source = response };
        for (var seed = 1; seed <= 10; seed++)
        {
            var options = Plain with { Seed = seed, Validation = new() { Share = 0.5 } };
            TrainingExample[] rows = [Row(question, "5"), Row("2 + 4?", "6"), Row(repeated, "six"), Row("1 + 1?", "2"), Row("3 + 3?", "6!")];
            var split = RunRows.Of(model, rows, null, options);
            Assert.AreEqual(5, split.Training.Count + split.Validation.Count);
            string[] held = [.. split.Validation.Select(row => row.Source)];
            Assert.AreEqual(held.Contains("5"), held.Contains("six"), $"seed {seed}");
            CollectionAssert.AreEquivalent(held, RunRows.Of(model, [.. rows.Reverse()], null, options).Validation.Select(row => row.Source).ToArray(),
                "the order of the rows makes no difference");
        }
        Assert.AreEqual("validation rows: found 1 whose question is also trained: first there, as in here; expected questions that no training row "
            + "asks. Leave these rows out on one side, or let Validation.Share hold out questions.", Assert.ThrowsExactly<NlftException>(() =>
            RunRows.Of(model, [Row(question, "5") with { Source = "here" }], [Row(repeated, "5") with { Source = "there" }], new())).Message);
    }

    [TestMethod]
    public void Constructor_GoldAnswerThatCannotBeCompared_IsRefusedBeforeTraining()
    {
        using var model = Load();
        TrainingExample[] held = [new() { Question = "Is 2 even?", Response = "Yes.", Answer = "Yes", Source = "held.csv, line 2" }];
        var options = Plain with { Validation = new() { GeneratedRows = 1 } };
        Assert.AreEqual("gold answer of held.csv, line 2: found \"Yes\"; expected a number, alone or after ####. Correct the gold answer, or compare "
            + "as text.", Assert.ThrowsExactly<NlftException>(() =>
            new TrainingRun(model, SampleRows, new NaturalLanguageObjective(), options, validation: held)).Message);
        _ = new TrainingRun(model, SampleRows, new NaturalLanguageObjective(),
            options with { Validation = options.Validation with { Comparison = AnswerComparison.Text } }, validation: held);
    }
}
