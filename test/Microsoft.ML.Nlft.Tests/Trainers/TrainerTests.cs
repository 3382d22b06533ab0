using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Tests.Fakes;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Nlft.Tests.Trainers;

[TestClass]
public sealed class TrainerTests : ModelTest
{
    [TestMethod]
    public void Fit_ThreeRows_TrainsAnAdapterAndReportsEveryStep()
    {
        var reports = new Reports();
        var options = Options();
        options.Progress = reports;

        using var model = Fit(options);

        Assert.AreEqual(4, reports.Steps.Count);
        CollectionAssert.AreEqual(reports.Steps, model.Training!.Steps.ToList());
        CollectionAssert.AreEqual(new[] { 1, 2, 3, 4 }, reports.Steps.ConvertAll(s => s.Step));
        Assert.IsFalse(model.Training.Cancelled);
        Assert.AreEqual(2, model.Adapter!.Configuration.Rank);
        Assert.IsTrue(model.Adapter.Factors.Any(f => f.Name.EndsWith("lora_B", StringComparison.Ordinal) && f.Values.Any(v => v != 0)),
            "lora_B begins at 0 and was trained");
        Assert.AreEqual(TrainableWeights.Lora, Engine.Options!.Trainable);
    }

    [TestMethod]
    public void Fit_TrainingOptions_ReachTheRun()
    {
        var reports = new Reports();
        var options = Options();
        options.Progress = reports;
        options.Training = new()
        {
            Epochs = 5, BatchSize = 1, LearningRate = 0.25, Schedule = Nlft.Training.LearningRateSchedule.Constant, WarmupRatio = 0,
        };

        using var model = Fit(options);

        Assert.AreEqual(15, reports.Steps.Count);
        Assert.IsTrue(reports.Steps.TrueForAll(s => s.LearningRate == 0.25));
    }

    [TestMethod]
    public void Fit_GpuOfTheContext_ReachesTheEngine()
    {
        using (Fit()) Assert.IsNull(Engine.Gpu, "The context names none.");
        (MLContext.GpuDeviceId, MLContext.FallbackToCpu) = (2, false);
        using (Fit()) Assert.AreEqual((2, false), Engine.Gpu);
        (MLContext.GpuDeviceId, MLContext.FallbackToCpu) = (1, true);
        using (MLContext.Nlft().LoadBaseModel(Disk.Folder, engine: Engine)) Assert.AreEqual((1, true), Engine.Gpu);
    }

    [TestMethod]
    public void Transform_QuestionsAlone_AreAnswered()
    {
        using var model = Fit();
        var questions = MLContext.Data.LoadFromEnumerable(new List<OnlyQuestion> { new() { Question = "1 + 1?" } });

        var answered = MLContext.Data.CreateEnumerable<OnlyQuestionAnswered>(model.Transform(questions), reuseRowObject: false).Single();

        StringAssert.StartsWith(answered.GeneratedAnswer, "It is ");
    }

    [TestMethod]
    public void SupervisedFineTune_ChosenTarget_IsTrainedOn()
    {
        var rows = MLContext.Data.LoadFromEnumerable(new List<OnlyQuestionAnswered> { new() { Question = "1 + 1?", GeneratedAnswer = "#### 2" } });
        var options = new SupervisedFineTuneTrainer.Options
        {
            ModelFolder = Disk.Folder, Engine = Engine, TargetColumnName = "GeneratedAnswer", OutputColumnName = "Out",
            Training = new() { Epochs = 3, BatchSize = 1 },
        };

        using var model = MLContext.Nlft().Trainers.SupervisedFineTune(options).Fit(rows);

        Assert.AreEqual(3, model.Training!.Steps.Count);
        Assert.AreEqual(1.0, model.Training.Steps[0].Loss, 1e-6, "the fake scores every token with log p = -1");
        Assert.AreEqual("Out", model.OutputColumnName);
    }

    [TestMethod]
    public void Fit_Seeds_DecideTheAdapter()
    {
        float[] Train(int? contextSeed, int? seed)
        {
            var options = Options();
            options.Seed = seed;
            using var model = new MLContext(contextSeed).Nlft().Trainers.NaturalLanguageFineTune(options).Fit(View(ThreeRows));
            return Weights(model);
        }

        CollectionAssert.AreEqual(Train(1, null), Train(1, null), "the context's seed");
        CollectionAssert.AreNotEqual(Train(1, null), Train(2, null), "another context's seed");
        CollectionAssert.AreEqual(Train(1, 5), Train(2, 5), "the option's seed comes first");
        CollectionAssert.AreEqual(Train(null, 5), Train(null, 5), "no context seed is needed with the option");
    }

    [TestMethod]
    public void Fit_Twice_GivesTheSameAdapter()
    {
        var trainer = MLContext.Nlft().Trainers.NaturalLanguageFineTune(Options());
        using var first = trainer.Fit(View(ThreeRows));
        using var second = trainer.Fit(View(ThreeRows));

        CollectionAssert.AreEqual(Weights(first), Weights(second));
    }

    [TestMethod]
    public void Fit_Log_SaysWhatIsTrainedAndOneLinePerStep()
    {
        var lines = new List<(ChannelMessageKind Kind, string Message, string Source)>();
        MLContext.Log += (_, e) => lines.Add((e.Kind, e.RawMessage, e.Source));
        var options = Options();
        options.Seed = 9;

        using var model = Fit(options);

        var info = lines.Where(l => l.Kind == ChannelMessageKind.Info && l.Source.Contains("Training", StringComparison.Ordinal))
            .Select(l => l.Message).ToList();
        Assert.AreEqual(6, info.Count);
        Assert.AreEqual("NLFT: 3 rows, 2 epochs, seed 9.", info[0]);
        StringAssert.StartsWith(info[1], "Rows to train on:\nrows                          3\nwith a judgment               2\n");
        for (var i = 1; i <= 4; i++) StringAssert.StartsWith(info[i + 1], $"Step {i} of 4, epoch ");
        StringAssert.Contains(info[2], "loss ");
        StringAssert.Contains(info[2], "salient share ");
        StringAssert.EndsWith(info[2], " left.");
    }

    [TestMethod]
    public void Fit_ContradictingRow_IsRefusedUnlessAllowed()
    {
        List<Row> rows = [new() { Question = "1 + 1?", Response = "#### 3", Judgment = "", Answer = "#### 2" }];
        var options = Options();

        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => Fit(options, rows)).Message,
            "the rows: found 1 of 1 without a judgment whose final answer is not the gold one (row 1: 3, not 2); ");

        options.Training = options.Training with { AllowContradictions = true };
        using var model = Fit(options, rows);
        Assert.AreEqual(2, model.Training!.Steps.Count);
    }

    [TestMethod]
    [DataRow("Judgement")]
    [DataRow("judgment")]
    [DataRow("Jugdment")]
    [DataRow("Judg_ment")]
    [DataRow("Judgments")]
    public void Fit_MisspeltColumn_IsNamed(string name)
    {
        var view = MLContext.Transforms.CopyColumns(name, "Judgment").Append(MLContext.Transforms.DropColumns("Judgment"))
            .Fit(View(ThreeRows)).Transform(View(ThreeRows));

        var trainer = MLContext.Nlft().Trainers.NaturalLanguageFineTune(Options());
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => trainer.Fit(view)).Message,
            $"column \"Judgment\": found no such column, only \"{name}\"; ");
        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().Data.Select(view, 1)).Message, $"only \"{name}\"");
    }

    [TestMethod]
    public void Fit_ValidationSet_IsEvaluatedNotTrained()
    {
        var lines = new List<string>();
        MLContext.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Info && e.Source.Contains("Training", StringComparison.Ordinal)) lines.Add(e.RawMessage);
        };
        var options = Options();
        options.Seed = 9;
        options.ValidationSet = View([new() { Question = "9 + 9?", Response = "9 + 9 = 18. #### 18", Answer = "#### 18" }]);
        options.Training = options.Training with { Validation = new() { Steps = 1, Patience = 2, GeneratedRows = 1, MaximumNewTokens = 8 } };

        using var model = Fit(options);

        // the fake engine scores the same for ever: the first evaluation is the best, two without a gain end the run
        Assert.AreEqual((3, 1, true), (model.Training!.Steps.Count, model.Training.Best!.Step, model.Training.StoppedEarly));
        Assert.AreEqual(1, model.Card.Validation!.Rows);
        Assert.AreEqual("NLFT: 3 rows, 1 held out, 2 epochs, seed 9.", lines[0]);
        Assert.IsTrue(lines.Exists(line => line.StartsWith("validation after step 1, epoch 0.67: loss ", StringComparison.Ordinal)));
        Assert.IsTrue(lines.Exists(line => line.StartsWith("  9 + 9? -> ", StringComparison.Ordinal)));
        StringAssert.StartsWith(lines[^1], "Stopped early: the evaluations gained nothing. Best validation after step 1, ");
    }

    [TestMethod]
    public void Fit_ValidationSetThatDoesNotFit_IsRefusedByName()
    {
        string Refusal(IDataView view)
        {
            var options = Options();
            options.ValidationSet = view;
            return Assert.ThrowsExactly<NlftException>(() => Fit(options)).Message;
        }
        StringAssert.StartsWith(Refusal(View([])), "option ValidationSet, validation rows: found none; expected at least one row.");
        StringAssert.StartsWith(Refusal(MLContext.Transforms.DropColumns("Judgment").Fit(View(ThreeRows)).Transform(View(ThreeRows))),
            "option ValidationSet, column \"Judgment\": found no such column");
        StringAssert.StartsWith(Refusal(View(ThreeRows)), "validation rows: found 3 whose question is also trained: first row 1, as in row 1;");
    }

    [TestMethod]
    public void NaturalLanguageFineTune_ValidationSetArgument_ReachesTheRun()
    {
        var view = View([ThreeRows[1]]);
        foreach (var fit in (Action[])
        [
            () => MLContext.Nlft().Trainers.NaturalLanguageFineTune(Disk.Folder, validationSet: view).Fit(View(ThreeRows)),
            () => MLContext.Nlft().Trainers.SupervisedFineTune(Disk.Folder, validationSet: view).Fit(View(ThreeRows)),
        ])
        {
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(fit).Message, "validation rows: found 1 whose question is also trained");
        }
    }

    [TestMethod]
    public void Fit_BracesInTexts_LeaveTheLogAlone()
    {
        MLContext.Log += (_, e) => _ = e.Message;
        var rows = ThreeRows;
        foreach (var row in rows) (row.Question, row.Response, row.Judgment) = ("{0} {x", "{1}} {", row.Judgment + "{2:x}");

        using var model = Fit(rows: rows);

        Assert.AreEqual(4, model.Training!.Steps.Count);
    }

    [TestMethod]
    public void Fit_Cancelled_ThrowsAndReleasesTheModel()
    {
        using var cancel = new CancellationTokenSource();
        var options = Options();
        (options.CancellationToken, options.Progress) = (cancel.Token, new Reports(step => cancel.Cancel()));

        Assert.Throws<OperationCanceledException>(() => Fit(options));

        Assert.AreEqual(Engine.Loaded, Engine.Disposed);
    }

    [TestMethod]
    public void Fit_CancelledWithReturnPartial_ReturnsTheModelSoFar()
    {
        using var cancel = new CancellationTokenSource();
        var warnings = new List<string>();
        MLContext.Log += (_, e) => { if (e.Kind == ChannelMessageKind.Warning) warnings.Add(e.RawMessage); };
        var options = Options();
        options.CancellationToken = cancel.Token;
        options.Training = options.Training with { ReturnPartialOnCancel = true };
        options.Progress = new Reports(step => { if (step.Step == 2) cancel.Cancel(); });

        using var model = Fit(options);

        Assert.IsTrue(model.Training!.Cancelled);
        Assert.AreEqual(2, model.Training.Steps.Count);
        Assert.AreEqual(1, Answers(model.Transform(Questions(1))).Count);
        CollectionAssert.AreEqual(new[] { "Training was cancelled after 2 steps; the model is returned as it was then." }, warnings);
    }

    [TestMethod]
    public void Fit_ListenerThrows_EndsTheRunAndReleasesTheModel()
    {
        var options = Options();
        options.Progress = new Reports(_ => throw new InvalidOperationException("listener"));

        Assert.AreEqual("listener", Assert.ThrowsExactly<InvalidOperationException>(() => Fit(options)).Message);
        Assert.AreEqual(Engine.Loaded, Engine.Disposed);
    }

    [TestMethod]
    [DataRow("", "x", "a", "row 4, Question")]
    [DataRow("q", "", "a", "the rows")]
    [DataRow("q", "x", "", "row 4, Answer")]
    public void Fit_RowWithoutText_IsNamed(string question, string response, string answer, string subject)
    {
        var rows = ThreeRows;
        rows.Add(new Row { Question = question, Response = response, Judgment = "No.", Answer = answer });

        var error = Assert.ThrowsExactly<NlftException>(() => Fit(rows: rows));

        Assert.AreEqual(subject, error.Subject);
        if (response.Length == 0) Assert.AreEqual("1 of 4 with an empty response (row 4)", error.Found);
        Assert.AreEqual(Engine.Loaded, Engine.Disposed);
    }

    [TestMethod]
    public void Fit_ResponseTooLong_IsNamed()
    {
        var rows = ThreeRows;
        rows[1].Response = new string('x', 300);
        var options = Options();
        options.Prompts = new() { MaximumTokens = 200 };

        Assert.Contains("1 of 3 that do not fit into MaximumTokens (row 2: ", Assert.ThrowsExactly<NlftException>(() => Fit(options, rows)).Found);
    }

    [TestMethod]
    public void Fit_OptionOutOfRange_IsNamed()
    {
        var options = Options();
        options.Training = new() { Epochs = 0 };

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => Fit(options)).Message, "Epochs");
        Assert.AreEqual(Engine.Loaded, Engine.Disposed);
    }

    [TestMethod]
    public void NaturalLanguageFineTune_SeedInTraining_IsRefused()
    {
        var options = Options();
        options.Training = options.Training with { Seed = 7 };
        Assert.AreEqual("option Training.Seed: found 7; expected the seed in the trainer's own option Seed. " +
            "Set Seed beside Training: it also seeds the fresh adapter.", Assert.ThrowsExactly<NlftException>(() => Fit(options)).Message);
    }

    [TestMethod]
    public void Fit_MissingModelFolder_IsNamed()
    {
        var options = Options();
        options.ModelFolder = Disk.Beside("nothing");

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => Fit(options)).Message, "nothing");
    }

    private sealed class OnlyQuestion
    {
        public string Question { get; set; } = "";
    }

    private sealed class OnlyQuestionAnswered
    {
        public string Question { get; set; } = "";

        public string GeneratedAnswer { get; set; } = "";
    }
}
