using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Transformer;

/// <summary>The transformer among ML.NET's own transforms.</summary>
[TestClass]
public sealed class ChainTests : ModelTest
{
    [TestMethod]
    public void Chain_BuiltInTransformsAround_Runs()
    {
        var pipeline = MLContext.Transforms.CopyColumns("Prompt", "Question")
            .Append(MLContext.Nlft().Trainers.NaturalLanguageFineTune(WithQuestion("Prompt")))
            .Append(MLContext.Transforms.Text.NormalizeText("Normalized", "GeneratedAnswer"))
            .Append(MLContext.Transforms.Text.TokenizeIntoWords("Words", "Normalized"));
        using var model = pipeline.Fit(View(ThreeRows));
        var answersOfFit = Engine.Answers;

        var rows = MLContext.Data.CreateEnumerable<NormalizedRow>(model.Transform(Questions(40)), reuseRowObject: false).ToList();

        Assert.AreEqual(40, rows.Count);
        Assert.IsTrue(rows.TrueForAll(r => r.GeneratedAnswer.ToLowerInvariant() == r.Normalized));
        Assert.IsTrue(rows.TrueForAll(r => r.Words.Length == 5), "\"It is n. #### n\"");
        Assert.AreEqual(40, rows.ConvertAll(r => r.GeneratedAnswer).Distinct().Count());
        Assert.AreEqual(40, Engine.Answers - answersOfFit, "one generation per row, whatever ML.NET's threads");
    }

    [TestMethod]
    public void Dispose_Chain_ReleasesTheModel()
    {
        var trainer = MLContext.Nlft().Trainers.NaturalLanguageFineTune(WithQuestion("Prompt"));
        var model = MLContext.Transforms.CopyColumns("Prompt", "Question").Append(trainer).Fit(View(ThreeRows));
        model.Dispose();

        Assert.AreEqual(1, Engine.Disposed);
    }

    [TestMethod]
    public void Cursor_VectorColumns_SurviveReadingAhead()
    {
        var words = MLContext.Transforms.Text.TokenizeIntoWords("Words", "Question").Fit(Questions(1)).Transform(Questions(9));
        using var model = BaseModel(batchSize: 4);

        var rows = MLContext.Data.CreateEnumerable<WordsRow>(model.Transform(words), reuseRowObject: true)
            .Select(r => string.Join(' ', r.Words)).ToList();

        CollectionAssert.AreEqual(Enumerable.Range(0, 9).Select(i => $"{i} + {i}?").ToList(), rows);
    }

    [TestMethod]
    public void PredictionEngine_Question_IsAnswered()
    {
        var model = BaseModel();
        var expected = Answers(model.Transform(Questions(3)));
        using (var engine = MLContext.Model.CreatePredictionEngine<Row, AnsweredRow>(model))
        {
            var answers = Enumerable.Range(0, 3).Select(i => engine.Predict(new Row { Question = $"{i} + {i}?" }).GeneratedAnswer).ToList();
            CollectionAssert.AreEqual(expected, answers);
            Assert.AreEqual(expected[0], engine.Predict(new Row { Question = "0 + 0?" }).GeneratedAnswer);
        }

        Assert.AreEqual(1, Engine.Disposed, "a prediction engine owns its transformer");
    }

    [TestMethod]
    public void PredictionEnginesOfOneTransformerOnSeveralThreadsTakeTurns_AndAreRefusedAfterItsEnd()
    {
        var model = BaseModel();
        var expected = Answers(model.Transform(Questions(3)));
        var engines = Enumerable.Range(0, 4).Select(_ => MLContext.Model.CreatePredictionEngine<Row, AnsweredRow>(model)).ToList();

        Parallel.ForEach(engines, engine =>
        {
            for (var i = 0; i < 12; i++)
                Assert.AreEqual(expected[i % 3], engine.Predict(new Row { Question = $"{i % 3} + {i % 3}?" }).GeneratedAnswer);
        });

        engines[0].Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => engines[1].Predict(new Row { Question = "0 + 0?" }));
        engines.ForEach(engine => engine.Dispose());
        Assert.AreEqual(1, Engine.Disposed);
    }

    [TestMethod]
    public void PredictionEngine_BadQuestion_ThrowsTheLibrarysException()
    {
        using var engine = MLContext.Model.CreatePredictionEngine<Row, AnsweredRow>(BaseModel());

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => engine.Predict(new Row())).Subject, "row 1, column \"Question\"");
    }

    [TestMethod]
    public void TrainTestSplit_BothSets_Work()
    {
        var split = MLContext.Data.TrainTestSplit(Wrong(20), testFraction: 0.3);
        using var model = MLContext.Nlft().Trainers.NaturalLanguageFineTune(Options()).Fit(split.TrainSet);
        var tested = MLContext.Nlft().Evaluate(model.Transform(split.TestSet)).Total;

        Assert.AreEqual(Engine.Answers, tested);
        Assert.AreEqual(model.Training!.Steps.Count, 2 * ((20 - tested + 1) / 2));
    }

    [TestMethod]
    public void CrossValidate_EachFold_TrainsAndTests()
    {
        var rows = Wrong(12);
        var trainer = MLContext.Nlft().Trainers.NaturalLanguageFineTune(Options());
        var tested = 0;
        foreach (var fold in MLContext.Data.CrossValidationSplit(rows, numberOfFolds: 3))
        {
            using var model = trainer.Fit(fold.TrainSet);
            tested += MLContext.Nlft().Evaluate(model.Transform(fold.TestSet)).Total;
        }

        Assert.AreEqual(12, tested);
        Assert.AreEqual(3, Engine.Disposed);
    }

    [TestMethod]
    public void CacheCheckpoint_AfterTrainer_KeepsAnswers()
    {
        using var model = BaseModel();
        var cached = MLContext.Data.Cache(model.Transform(Questions(6)), "GeneratedAnswer");
        _ = cached.GetColumn<string>("GeneratedAnswer").ToList();
        _ = cached.GetColumn<string>("GeneratedAnswer").ToList();
        Assert.AreEqual(6, Engine.Answers);

        var pipeline = MLContext.Nlft().Trainers.NaturalLanguageFineTune(Options()).AppendCacheCheckpoint(MLContext)
            .Append(MLContext.Transforms.Text.FeaturizeText("Features", "GeneratedAnswer"))
            .Append(MLContext.Transforms.NormalizeMinMax("Features"));
        using var chain = pipeline.Fit(View(ThreeRows));
        Assert.AreEqual(6 + 3, Engine.Answers, "the trainers that follow pass several times; the answers are generated once");
    }

    [TestMethod]
    public void PreviewAndFilters_AfterTransformer_Work()
    {
        using var model = BaseModel(batchSize: 2);
        var view = MLContext.Data.SkipRows(MLContext.Data.TakeRows(model.Transform(Questions(50)), 6), 2);

        Assert.AreEqual(4, view.Preview(maxRows: 10).RowView.Length);
        Assert.AreEqual(4, view.GetColumn<string>("GeneratedAnswer").Distinct().Count());
    }

    private IDataView Wrong(int count) =>
        View([.. Enumerable.Range(0, count).Select(i => new Row { Question = $"{i}?", Response = "5", Judgment = "No.", Answer = "4" })]);

    private NaturalLanguageFineTuneTrainer.Options WithQuestion(string name)
    {
        var options = Options();
        options.QuestionColumnName = name;
        return options;
    }

    private sealed class NormalizedRow
    {
        public string GeneratedAnswer { get; set; } = "";

        public string Normalized { get; set; } = "";

        public string[] Words { get; set; } = [];
    }

    private sealed class WordsRow
    {
        public string[] Words { get; set; } = [];
    }
}
