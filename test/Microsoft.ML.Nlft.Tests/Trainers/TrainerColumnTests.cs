namespace Microsoft.ML.Nlft.Tests.Trainers;

/// <summary>Columns and names are checked before any model is opened: the model folder of these trainers does not exist.</summary>
[TestClass]
public sealed class TrainerColumnTests
{
    private const string NoFolder = "no-such-model";

    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    [DataRow("question", "Prompt", "column \"Prompt\": found no such column; expected a column of type String (one text per row).")]
    [DataRow("response", "Completion", "column \"Completion\": found no such column; expected a column of type String (one text per row).")]
    [DataRow("judgment", "Feedback", "column \"Feedback\": found no such column; expected a column of type String (one text per row).")]
    [DataRow("answer", "Gold", "column \"Gold\": found no such column; expected a column of type String (one text per row).")]
    [DataRow("instruction", "System", "column \"System\": found no such column; expected a column of type String (one text per row).")]
    [DataRow("question", "Weight", "column \"Weight\": found type Single; expected a column of type String (one text per row).")]
    [DataRow("response", "Weight", "column \"Weight\": found type Single; expected a column of type String (one text per row).")]
    [DataRow("judgment", "Weight", "column \"Weight\": found type Single; expected a column of type String (one text per row).")]
    [DataRow("answer", "Weight", "column \"Weight\": found type Single; expected a column of type String (one text per row).")]
    [DataRow("instruction", "Weight", "column \"Weight\": found type Single; expected a column of type String (one text per row).")]
    [DataRow("question", "question", "column \"question\": found no such column, only \"Question\"; expected a column of type String (one text per "
        + "row).")]
    public void Fit_OfAColumnThatIsMissingOrNotText_NamesItAndTheColumnsThere(string part, string name, string message)
    {
        var trainer = _mlContext.Nlft().Trainers.NaturalLanguageFineTune(With(part, name));
        var rows = _mlContext.Data.LoadFromEnumerable(new List<Row> { new() });

        var error = Assert.ThrowsExactly<NlftException>(() => trainer.Fit(rows));

        StringAssert.StartsWith(error.Message, message);
        StringAssert.Contains(error.Message, "Columns there are: ");
        foreach (var there in new[] { "Question (String)", "Response (String)", "Judgment (String)", "Answer (String)", "Weight (Single)" })
            StringAssert.Contains(error.Message, there);
    }

    [TestMethod]
    [DataRow("question", "", "name of the question column: found an empty name; expected the name of a text column. Set questionColumnName.")]
    [DataRow("response", " ", "name of the response column: found an empty name; expected the name of a text column. Set responseColumnName.")]
    [DataRow("judgment", "", "name of the judgment column: found an empty name; expected the name of a text column. Set judgmentColumnName.")]
    [DataRow("answer", "", "name of the answer column: found an empty name; expected the name of a text column. Set answerColumnName.")]
    [DataRow("instruction", "", "name of the instruction column: found an empty name; expected the name of a text column. Set "
        + "instructionColumnName.")]
    [DataRow("output", "", "name of the output column: found an empty name; expected a name for the column of generated answers. Set "
        + "outputColumnName.")]
    [DataRow("response", "Question", "name of the response column: found \"Question\", which is the question column already; expected a column of "
        + "its own. Set responseColumnName.")]
    [DataRow("answer", "Judgment", "name of the answer column: found \"Judgment\", which is the judgment column already; expected a column of its "
        + "own. Set answerColumnName.")]
    [DataRow("folder", "", "option ModelFolder: found an empty path; expected the folder of a base model in Hugging Face layout. Name a folder that "
        + "holds config.json, the safetensors files and tokenizer.json.")]
    public void ATrainerWithAnUnusableName_IsRefusedWhenItIsCreated(string part, string name, string message)
    {
        var error = Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().Trainers.NaturalLanguageFineTune(With(part, name)));

        Assert.AreEqual(message, error.Message);
    }

    [TestMethod]
    public void Create_ImpossibleGenerationOption_IsRefusedBeforeTraining()
    {
        var options = new NaturalLanguageFineTuneTrainer.Options { ModelFolder = NoFolder, Generation = new() { TopP = 2 } };

        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().Trainers.NaturalLanguageFineTune(options)).Message, "TopP");
    }

    [TestMethod]
    public void Fit_EmptyView_IsRefused()
    {
        var rows = _mlContext.Data.LoadFromEnumerable(new List<Row>());
        var trainer = _mlContext.Nlft().Trainers.NaturalLanguageFineTune(NoFolder);

        Assert.AreEqual("training rows: found none; expected at least one row. Check the file or the filters that come before the trainer.",
            Assert.ThrowsExactly<NlftException>(() => trainer.Fit(rows)).Message);
    }

    [TestMethod]
    public void SupervisedFineTune_NoJudgmentNorAnswer_ReadsNeither()
    {
        var rows = _mlContext.Data.LoadFromEnumerable(new List<QuestionAndTarget>());
        var trainer = _mlContext.Nlft().Trainers.SupervisedFineTune(NoFolder, targetColumnName: "Target");

        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => trainer.Fit(rows)).Message, "training rows: found none");
    }

    [TestMethod]
    public void SupervisedFineTune_MissingTarget_IsNamed()
    {
        var rows = _mlContext.Data.LoadFromEnumerable(new List<QuestionAndTarget>());
        var trainer = _mlContext.Nlft().Trainers.SupervisedFineTune(NoFolder);

        Assert.AreEqual(
            "column \"Response\": found no such column; expected a column of type String (one text per row). " +
            "Name the right column in the trainer's or transform's column options, or convert it first. Columns there are: Question (String), "
                + "Target (String).",
            Assert.ThrowsExactly<NlftException>(() => trainer.Fit(rows)).Message);
    }

    [TestMethod]
    public void Fit_CancelledWhileRowsAreRead_Ends()
    {
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        var trainer = _mlContext.Nlft().Trainers.NaturalLanguageFineTune(
            new NaturalLanguageFineTuneTrainer.Options { ModelFolder = NoFolder, CancellationToken = cancelled.Token });
        var rows = _mlContext.Data.LoadFromEnumerable(new List<Row> { new() });

        Assert.ThrowsExactly<OperationCanceledException>(() => trainer.Fit(rows));
    }

    private static NaturalLanguageFineTuneTrainer.Options With(string part, string name)
    {
        var options = new NaturalLanguageFineTuneTrainer.Options { ModelFolder = NoFolder };
        switch (part)
        {
            case "folder": options.ModelFolder = name; break;
            case "question": options.QuestionColumnName = name; break;
            case "response": options.ResponseColumnName = name; break;
            case "judgment": options.JudgmentColumnName = name; break;
            case "answer": options.AnswerColumnName = name; break;
            case "instruction": options.InstructionColumnName = name; break;
            case "output": options.OutputColumnName = name; break;
        }
        return options;
    }

    private sealed class QuestionAndTarget
    {
        public string Question { get; set; } = "";

        public string Target { get; set; } = "";
    }
}
