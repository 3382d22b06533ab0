using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Rows looked at between epochs.</summary>
[TestClass]
public sealed class RecordingTests
{
    private static readonly FineTuneOptions Plain = new() { Epochs = 3, BatchSize = 4, LearningRate = 0.05, WarmupRatio = 0 };

    [TestMethod]
    public void Run_RecordedRows_AreSeenBeforeTrainingAndAfterEveryEpoch()
    {
        var model = new TableLanguageModel(Rows.Vocabulary);
        var told = new List<TrainingProgress>();
        var expected = new List<IReadOnlyList<ExampleSaliency>> { See(model) };
        var listener = new Listener(progress =>
        {
            told.Add(progress);
            // after the last step of an epoch the weights are those recorded
            if (progress.Epoch == Math.Floor(progress.Epoch)) expected.Add(See(model));
        });
        var result = new TrainingRun(model, Rows.Seven(), new NaturalLanguageObjective(), Plain with { RecordedRows = [5, 0] }).Run(listener);

        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3 }, result.Recorded.Select(epoch => epoch.Epoch).ToArray());
        CollectionAssert.AreEqual(new[] { 1, 1, 0, 1, 0, 1 }, told.Select(progress => progress.Recorded.Count).ToArray());
        for (var epoch = 0; epoch < 4; epoch++)
        {
            var rows = result.Recorded[epoch].Rows;
            CollectionAssert.AreEqual(new[] { "rows.jsonl, line 6", "rows.jsonl, line 1" }, rows.Select(row => row.Source).ToArray());
            for (var i = 0; i < 2; i++)
            {
                CollectionAssert.AreEqual(expected[epoch][i].Base, rows[i].Base);
                CollectionAssert.AreEqual(expected[epoch][i].Saliency, rows[i].Saliency);
            }
        }
        CollectionAssert.AreNotEqual(result.Recorded[0].Rows[0].Base, result.Recorded[3].Rows[0].Base);
    }

    [TestMethod]
    public void Run_WithRecording_TrainsTheSame()
    {
        TableLanguageModel Train(params int[] recorded)
        {
            var model = new TableLanguageModel(Rows.Vocabulary);
            new TrainingRun(model, Rows.Seven(), new NaturalLanguageObjective(), Plain with { RecordedRows = recorded }).Run();
            return model;
        }
        CollectionAssert.AreEqual(Train().Weights, Train(1, 2, 3).Weights);
    }

    [TestMethod]
    public void Run_RecordingTakesTime_StaysOutOfTheRate()
    {
        var time = new ManualTime();
        var model = new TableLanguageModel(Rows.Vocabulary) { OnForward = _ => time.Advance(1) };
        var slow = new Listener(_ => time.Advance(100));
        var steps = new TrainingRun(model, Rows.Seven(), new LikelihoodObjective(), Plain with { Epochs = 2, Shuffle = false }, time).Run(slow).Steps;
        CollectionAssert.AreEqual(new[] { 18.0, 16, 18, 16 }, steps.Select(step => step.TokensPerSecond).ToArray());
    }

    [TestMethod]
    [DataRow(new[] { 7 }, "option RecordedRows: found 7; expected indices from 0 to 6. Name rows that exist.")]
    [DataRow(new[] { -1 }, "option RecordedRows: found -1; expected indices from 0 to 6. Name rows that exist.")]
    [DataRow(new[] { 2, 2 }, "option RecordedRows: found 2; expected each index once. Leave out its repetitions.")]
    public void Run_RowsThatAreNotThere_AreRefused(int[] rows, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() =>
            new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new LikelihoodObjective(), Plain with { RecordedRows = rows })
                .Run()).Message);

    private static IReadOnlyList<ExampleSaliency> See(TableLanguageModel model) =>
        new SaliencyAnalyzer(model, new NaturalLanguageObjective()).Analyze([Rows.Seven()[5], Rows.Seven()[0]]);
}
