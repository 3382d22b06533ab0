using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Tests.Evaluation;

[TestClass]
public sealed class ExactMatchEvaluatorTests
{
    [TestMethod]
    public void Evaluate_Responses_CountsCorrectWrongAndUnanswered()
    {
        var result = ExactMatchEvaluator.Evaluate(["#### 2.50", "so 7", "I do not know", null], ["#### 2.5", "8", "3", "4"]);

        Assert.AreEqual((1, 4, 2, 0.25), (result.Correct, result.Total, result.Unanswered, result.Accuracy));
        Assert.AreEqual(new EvaluatedRow("2.5", "2.5", AnswerOutcome.Correct), result.Rows[0]);
        Assert.AreEqual(new EvaluatedRow("8", "7", AnswerOutcome.Wrong), result.Rows[1]);
        Assert.AreEqual(new EvaluatedRow("3", null, AnswerOutcome.Unanswered), result.Rows[2]);
        Assert.AreEqual("""
            accuracy        25.00 %  (95 % interval 4.56 % to 69.94 %)
            correct             1
            wrong               1
            unanswered          2
            total               4

            """.ReplaceLineEndings("\n"), result.ToString());
    }

    [TestMethod]
    public void Compare_PublishedStringOrText_ComparesAsNamed()
    {
        Assert.AreEqual(AnswerOutcome.Wrong, ExactMatchEvaluator.Compare("#### 2.50", "#### 2.5", AnswerComparison.PublishedString).Outcome);
        Assert.AreEqual(AnswerOutcome.Correct,
            ExactMatchEvaluator.Compare("so 1,080 in all", "#### 1,080", AnswerComparison.PublishedString).Outcome);
        Assert.AreEqual(AnswerOutcome.Unanswered, ExactMatchEvaluator.Compare("none", "#### 1", AnswerComparison.PublishedString).Outcome);
        Assert.AreEqual(AnswerOutcome.Correct, ExactMatchEvaluator.Compare(" paris\n", "Paris", AnswerComparison.Text).Outcome);
        Assert.AreEqual(AnswerOutcome.Wrong, ExactMatchEvaluator.Compare("Paris.", "Paris", AnswerComparison.Text).Outcome);
        Assert.AreEqual(AnswerOutcome.Unanswered, ExactMatchEvaluator.Compare(" ", "Paris", AnswerComparison.Text).Outcome);
    }

    [TestMethod]
    // Reference values of the closed formula, computed independently to six digits.
    [DataRow(50, 100, 0.403832, 0.596168)]
    [DataRow(0, 10, 0.0, 0.277533)]
    [DataRow(10, 10, 0.722467, 1.0)]
    [DataRow(1, 1, 0.206549, 1.0)]
    [DataRow(848, 1319, 0.616673, 0.668320)]
    public void WilsonInterval_KnownCounts_GivesReferenceValues(int correct, int total, double lower, double upper)
    {
        var interval = EvaluationResult.WilsonInterval(correct, total);
        Assert.AreEqual(lower, interval.Lower, 1e-6);
        Assert.AreEqual(upper, interval.Upper, 1e-6);
    }

    [TestMethod]
    public void WilsonInterval_ImpossibleCounts_Throws()
    {
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => EvaluationResult.WilsonInterval(0, 0));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => EvaluationResult.WilsonInterval(-1, 5));
        Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => EvaluationResult.WilsonInterval(6, 5));
    }

    [TestMethod]
    [DataRow(AnswerComparison.Number, "none",
        "gold answer of evaluation row 1: found \"none\"; expected a number, alone or after ####. Correct the gold answer, or compare as text.")]
    [DataRow(AnswerComparison.PublishedString, "18",
        "gold answer of evaluation row 1: found \"18\"; expected \"#### \" and a number. Correct the gold answer, or compare as numbers.")]
    [DataRow(AnswerComparison.Text, " ",
        "gold answer of evaluation row 1: found an empty text; expected a text. Fill in the gold answer, or leave the row out.")]
    public void Evaluate_UnreadableGoldAnswer_IsNamed(AnswerComparison comparison, string gold, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() =>
            ExactMatchEvaluator.Evaluate(["1", "2"], ["#### 1", gold], comparison)).Message);

    [TestMethod]
    public void Evaluate_NoRowsOrUnequalCounts_IsRefused()
    {
        Assert.AreEqual("evaluation: found no row; expected at least one. Pass the rows to evaluate.",
            Assert.ThrowsExactly<NlftException>(() => ExactMatchEvaluator.Evaluate([], [])).Message);
        Assert.AreEqual(
            "evaluation: found 1 responses and 0 gold answers; expected as many of one as of the other. Pass one gold answer per response.",
            Assert.ThrowsExactly<NlftException>(() => ExactMatchEvaluator.Evaluate(["1"], [])).Message);
    }
}
