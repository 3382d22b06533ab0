using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Tests.Evaluation;

[TestClass]
public sealed class EvaluateTests
{
    private readonly MLContext _mlContext = new(seed: 1);

    [TestMethod]
    public void Evaluate_MixedRows_CountsEachOutcome()
    {
        var rows = Rows(("#### 7", "So 3 + 4 = 7. #### 7.0"), ("#### 8", "#### 9"), ("#### 10", "no idea"), ("1,080", "#### 1080"));
        var metrics = _mlContext.Nlft().Evaluate(rows);

        Assert.AreEqual(4, metrics.Total);
        Assert.AreEqual(2, metrics.Correct);
        Assert.AreEqual(1, metrics.Unanswered);
        Assert.AreEqual(0.5, metrics.Accuracy);
        Assert.AreEqual(0.1500, metrics.LowerBound, 1e-4);
        Assert.AreEqual(0.8500, metrics.UpperBound, 1e-4);
        CollectionAssert.AreEqual(
            new[] { AnswerOutcome.Correct, AnswerOutcome.Wrong, AnswerOutcome.Unanswered, AnswerOutcome.Correct },
            metrics.Rows.Select(r => r.Outcome).ToList());
    }

    [TestMethod]
    public void EvaluateRows_MixedRows_AddsTheOutcome()
    {
        var view = _mlContext.Nlft().EvaluateRows(Rows(("#### 7", "#### 7"), ("#### 8", "#### 9"), ("#### 10", "")));
        var rows = _mlContext.Data.CreateEnumerable<JudgedRow>(view, reuseRowObject: false).ToList();

        CollectionAssert.AreEqual(new[] { true, false, false }, rows.ConvertAll(r => r.IsCorrect));
        CollectionAssert.AreEqual(new[] { "#### 7", "#### 8", "#### 10" }, rows.ConvertAll(r => r.Answer));
    }

    [TestMethod]
    public void Evaluate_Comparison_IsHonoured()
    {
        var rows = Rows(("#### 7", "#### 7.0"));

        Assert.AreEqual(1, _mlContext.Nlft().Evaluate(rows).Correct);
        Assert.AreEqual(0, _mlContext.Nlft().Evaluate(rows, comparison: AnswerComparison.PublishedString).Correct);
        Assert.AreEqual(0, _mlContext.Nlft().Evaluate(rows, comparison: AnswerComparison.Text).Correct);
    }

    [TestMethod]
    public void Evaluate_MissingColumn_NamesIt()
    {
        var error = Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().Evaluate(Rows(("1", "1")), generatedColumnName: "Written"));

        StringAssert.StartsWith(error.Message, "column \"Written\": found no such column");
        Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().EvaluateRows(Rows(("1", "1")), answerColumnName: "Weight"));
    }

    [TestMethod]
    public void Evaluate_RowWithoutGoldAnswer_NamesTheRow()
    {
        var rows = Rows(("#### 7", "#### 7"), ("", "#### 9"));
        var judged = _mlContext.Nlft().EvaluateRows(rows);

        Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().Evaluate(rows));
        var error = Assert.ThrowsExactly<NlftException>(() => _mlContext.Data.CreateEnumerable<JudgedRow>(judged, reuseRowObject: false).ToList());
        Assert.AreEqual("gold answer of row 2", error.Subject);
    }

    [TestMethod]
    public void Evaluate_NoRows_IsRefused() => Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().Evaluate(Rows()));

    private IDataView Rows(params (string Answer, string Generated)[] rows) =>
        _mlContext.Data.LoadFromEnumerable(rows.Select(r => new AnsweredRow { Answer = r.Answer, GeneratedAnswer = r.Generated }).ToList());

    private sealed class JudgedRow
    {
        public string Answer { get; set; } = "";

        public bool IsCorrect { get; set; }
    }
}
