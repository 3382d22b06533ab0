using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Transformer;

[TestClass]
public sealed class TextGenerationTransformerTests : ModelTest
{
    [TestMethod]
    public void Transform_Rows_AreAnsweredOnceInBatches()
    {
        using var model = BaseModel(batchSize: 4);

        var answers = Answers(model.Transform(Questions(10)));

        Assert.AreEqual("4 4 2", string.Join(' ', Engine.Batches));
        Assert.AreEqual(10, answers.Distinct().Count(), "the fake's answer depends on the whole prompt");
    }

    [TestMethod]
    public void Transform_BatchSize_DoesNotChangeAnswers()
    {
        using var one = BaseModel(batchSize: 1);
        using var many = BaseModel(batchSize: 7);

        CollectionAssert.AreEqual(Answers(one.Transform(Questions(9))), Answers(many.Transform(Questions(9))));
    }

    [TestMethod]
    public void Transform_ThreeConsumers_CauseOneGeneration()
    {
        using var model = BaseModel(batchSize: 1);
        var view = model.Transform(Questions(3));
        var column = view.Schema["GeneratedAnswer"];
        using var cursor = view.GetRowCursor([column]);
        var getters = Enumerable.Range(0, 3).Select(_ => cursor.GetGetter<ReadOnlyMemory<char>>(column)).ToList();
        ReadOnlyMemory<char> text = default;
        while (cursor.MoveNext()) getters.ForEach(getter => getter(ref text));

        Assert.AreEqual(3, Engine.Answers);
    }

    [TestMethod]
    public void RowMapper_EachPosition_IsAnsweredOnce()
    {
        using var model = BaseModel();
        var questions = Questions(3);
        var mapper = model.GetRowToRowMapper(questions.Schema);
        var output = mapper.OutputSchema["GeneratedAnswer"];
        CollectionAssert.AreEqual(new[] { "Question" }, mapper.GetDependencies([output]).Select(c => c.Name).ToList());
        using var cursor = questions.GetRowCursor(mapper.GetDependencies([output]));
        using var row = mapper.GetRow(cursor, [output]);
        var getters = Enumerable.Range(0, 3).Select(_ => row.GetGetter<ReadOnlyMemory<char>>(output)).ToList();
        var texts = new HashSet<string>();
        ReadOnlyMemory<char> text = default;
        while (cursor.MoveNext())
        {
            foreach (var getter in getters)
            {
                getter(ref text);
                texts.Add(text.ToString());
            }
        }

        Assert.AreEqual(3, Engine.Answers);
        Assert.AreEqual(3, texts.Count);
    }

    [TestMethod]
    public void Cursors_SeveralThreads_AreSerializedOnTheModel()
    {
        using var model = BaseModel(batchSize: 3);
        var view = model.Transform(Questions(12));
        var expected = Answers(view);

        Parallel.For(0, 6, _ => CollectionAssert.AreEqual(expected, Answers(view)));

        Assert.AreEqual(7 * 12, Engine.Answers);
    }

    [TestMethod]
    public void DisposedWhileCursorsRun_TheyEndOrAreRefused()
    {
        for (var round = 0; round < 10; round++)
        {
            var model = BaseModel(batchSize: 1);
            var view = model.Transform(Questions(20));
            var expected = Answers(view);
            var begun = 0;
            var readers = Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
            {
                Interlocked.Increment(ref begun);
                try
                {
                    while (true) CollectionAssert.AreEqual(expected, Answers(view));
                }
                catch (ObjectDisposedException)
                {
                }
            })).ToArray();
            SpinWait.SpinUntil(() => Volatile.Read(ref begun) == 4);
            model.Dispose();
            Assert.IsTrue(Task.WaitAll(readers, TimeSpan.FromSeconds(20)), "a reader hangs");
        }
    }

    [TestMethod]
    public void Transform_InstructionColumn_ReachesThePrompt()
    {
        using var model = MLContext.Nlft().LoadBaseModel(Disk.Folder, instructionColumnName: "Response", engine: Engine);

        _ = Answers(model.Transform(View([new Row { Question = "Why?", Response = "Answer in one word." }])));

        StringAssert.Contains(Engine.Prompts.Single(), "Answer in one word.");
        StringAssert.Contains(Engine.Prompts.Single(), "Why?");
    }

    [TestMethod]
    public void Transform_UnusableRow_NamesTheRow()
    {
        using var model = BaseModel(batchSize: 2);
        var view = model.Transform(View([new Row { Question = "a" }, new Row { Question = "b" }, new Row { Question = "" }]));

        var error = Assert.ThrowsExactly<NlftException>(() => Answers(view));

        StringAssert.StartsWith(error.Subject, "row 3, column \"Question\"");
    }

    [TestMethod]
    public void Transform_MissingQuestionColumn_NamesItFirst()
    {
        using var model = BaseModel();
        var rows = MLContext.Data.LoadFromEnumerable(new List<OtherRow>());

        Action[] uses = [() => model.Transform(rows), () => model.GetOutputSchema(rows.Schema), () => model.GetRowToRowMapper(rows.Schema)];
        foreach (var action in uses)
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(action).Message, "column \"Question\": found no such column");
    }

    [TestMethod]
    public void GetOutputSchema_Transformer_AddsOneTextColumn()
    {
        using var model = BaseModel();
        var schema = model.GetOutputSchema(Questions(1).Schema);

        Assert.AreEqual(Questions(1).Schema.Count + 1, schema.Count);
        Assert.AreEqual(TextDataViewType.Instance, schema["GeneratedAnswer"].Type);
        Assert.IsTrue(model.IsRowToRowMapper);
    }

    [TestMethod]
    public void Transform_DisposedModel_Throws()
    {
        var model = BaseModel();
        var view = model.Transform(Questions(2));
        model.Dispose();
        model.Dispose();

        Assert.AreEqual(1, Engine.Disposed);
        Assert.ThrowsExactly<ObjectDisposedException>(() => Answers(view));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Transform(Questions(1)));
        Assert.ThrowsExactly<ObjectDisposedException>(() => MLContext.Nlft().Save(model, Disk.Beside("saved")));
    }

    [TestMethod]
    public void Evaluate_Predictions_GeneratesEachAnswerOnce()
    {
        using var model = BaseModel();
        var metrics = MLContext.Nlft().Evaluate(model.Transform(Questions(6)));

        Assert.AreEqual(6, metrics.Total);
        Assert.AreEqual(0, metrics.Unanswered);
        Assert.AreEqual(6, Engine.Answers);
    }

    [TestMethod]
    public void LoadBaseModel_Model_HasNoAdapterOrTraining()
    {
        using var model = BaseModel();

        Assert.IsNull(model.Adapter);
        Assert.IsNull(model.Training);
    }

    private sealed class OtherRow
    {
        public string Prompt { get; set; } = "";
    }
}
