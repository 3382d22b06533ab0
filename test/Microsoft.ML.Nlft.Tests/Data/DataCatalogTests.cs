using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Tests mlContext.Nlft().Data from questions to a training set and a file.</summary>
[TestClass]
public sealed class DataCatalogTests
{
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly ModelOnDisk _model = new();

    private NlftDataCatalog Data => _mlContext.Nlft().Data;

    [TestCleanup]
    public void Clean() => _model.Dispose();

    [TestMethod]
    public void GenerateJudgeSelectSave_Questions_EndInAFile()
    {
        using var model = LocalModel.Load(_model.Folder);
        var questions = Data.Load(Write("questions.csv", "Question,Answer\n2+3?,5\n1+1?,2\n4+4?,8\n"));
        var options = new ResponseOptions { SamplesPerQuestion = 4, Generation = new() { Temperature = 1, MaximumNewTokens = 6 } };
        var responses = Data.Generate(model, questions, options);
        var rows = Rows(responses);
        Assert.IsInRange(1, 12, rows.Count);
        CollectionAssert.IsSubsetOf(rows.Select(row => row.Question).Distinct().ToList(), new[] { "2+3?", "1+1?", "4+4?" });

        var judged = Data.Judge(responses, new RuleBasedJudge());
        Assert.AreEqual((rows.Count, 0), (judged.Correct + judged.Incorrect, judged.Unparsable));
        Assert.AreEqual(judged.Incorrect, Rows(judged.Rows).Count(row => row.Judgment.Length > 0));
        var chosen = Data.Select(judged.Rows, 1, seed: 3);
        var file = _model.Beside("chosen.json");
        Data.Save(chosen, file);
        Assert.AreEqual(Rows(chosen).Single().Response, DataFile.Read(file, RowFormat.Nlft).Single().Response);
    }

    [TestMethod]
    public void Judge_RowsWithoutAVerdict_AreLeftOutAndCounted()
    {
        var rows = Data.Load(Write("rows.csv", "Question,Response,Answer\na,1,1\nb,2,1\nc,3,1\n"));
        var judged = Data.Judge(rows, new Judge());
        Assert.AreEqual((1, 1, 1), (judged.Correct, judged.Incorrect, judged.Unparsable));
        CollectionAssert.AreEqual(new[] { "a:", "b:too large" }, Rows(judged.Rows).Select(row => $"{row.Question}:{row.Judgment}").ToArray());
    }

    [TestMethod]
    public void SelectAndJudge_ImpossibleRatioOrMissingColumn_AreRefused()
    {
        var rows = Data.Load(Write("rows.csv", "Question,Response,Judgment,Answer\na,1,,1\nb,2,no,1\n"));
        Assert.Contains("found 2 rows, 1 correct and 1 incorrect; expected 0 correct and 2 incorrect",
            Assert.ThrowsExactly<NlftException>(() => Data.Select(rows, 2, ResponseRatio.AllIncorrect)).Message);
        var other = _mlContext.Data.LoadFromEnumerable([new { Prompt = "q" }]);
        Assert.Contains("column \"Question\": found no such column",
            Assert.ThrowsExactly<NlftException>(() => Data.Judge(other, new RuleBasedJudge())).Message);
    }

    [TestMethod]
    public void Load_OtherColumns_FillTheSameColumns()
    {
        var path = Write("rows.tsv", "asked\tgold\n2+3?\t5\n");
        Assert.AreEqual("2+3?", Rows(Data.Load(path, columns: new() { Question = "asked", Answer = "gold" })).Single().Question);
    }

    /// <summary>A view with an answer column needs every answer; one without, as for supervised fine-tuning, does without.</summary>
    [TestMethod]
    public void Read_BlankAnswer_IsRefusedWhereAnAnswerColumnIsNamed()
    {
        var view = Data.Load(Write("rows.csv", "Question,Response\n2+3?,6\n"));
        var columns = new TrainingColumns("Question", "Response", "Judgment", "Answer", null);
        Assert.Contains("Answer: found nothing; expected a text.",
            Assert.ThrowsExactly<NlftException>(() => columns.Read(view, "training rows", CancellationToken.None, out _)).Message);
        Assert.AreEqual("6", (columns with { Answer = null }).Read(view, "training rows", CancellationToken.None, out _).Single().Answer);
    }

    private string Write(string name, string text)
    {
        var path = _model.Beside(name);
        File.WriteAllText(path, text);
        return path;
    }

    private List<LoadedRow> Rows(IDataView view) => [.. _mlContext.Data.CreateEnumerable<LoadedRow>(view, reuseRowObject: false)];

    private sealed class LoadedRow
    {
        public string Question { get; set; } = "";

        public string Response { get; set; } = "";

        public string Judgment { get; set; } = "";
    }

    /// <summary>Knows a and b.</summary>
    private sealed class Judge : IResponseJudge
    {
        public string Name => "test";

        public int MaximumParallelism => 2;

        public Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default) =>
            Task.FromResult(Verdict.Parse(row.Question switch
            {
                "a" => "VERDICT: CORRECT",
                "b" => "VERDICT: INCORRECT\nJUDGMENT: too large",
                _ => "perhaps",
            }));
    }
}
