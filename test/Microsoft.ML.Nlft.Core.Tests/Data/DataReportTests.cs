using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class DataReportTests
{
    [TestMethod]
    [DataRow("2 + 3 = 6. #### 6", "5")]
    [DataRow("It is 6.", "#### 5")]
    [DataRow("\\boxed{6}", "2 + 3 = 5")]
    [DataRow("A: 6 apples", "5 apples")]
    [DataRow("2{,}500", "2,5")]
    [DataRow("That makes 2 1/4", "1/4")]
    public void Of_ResponseThatEndsInAnotherNumber_IsAContradictionUnlessJudged(string response, string answer)
    {
        var row = Row(response, answer);

        Assert.HasCount(1, DataReport.Of([row]).Contradictions);
        Assert.IsEmpty(DataReport.Of([row with { Judgment = "The sum is wrong." }]).Contradictions);
    }

    [TestMethod]
    [DataRow("#### 5", "5.0")]
    [DataRow("It is 2 1/4", "2.25")]
    [DataRow("1{,}000", "1000")]
    [DataRow("I cannot say.", "5")]
    [DataRow("Paris, with 2 million people", "Paris")]
    [DataRow("The train leaves at 3:45", "3:50")]
    [DataRow("The ratio is 6", "2:3")]
    [DataRow("Read pages 5 to 8", "pages 5 to 9")]
    public void Of_EqualOrIncomparableAnswers_AreNoContradiction(string response, string answer) =>
        Assert.IsEmpty(DataReport.Of([Row(response, answer)]).Contradictions);

    [TestMethod]
    public void RequireNoContradictions_Some_CountsAndNamesTheFirst()
    {
        var rows = Enumerable.Range(1, 7).Select(i => Row($"#### {i}", "5") with { Source = $"rows.csv, line {i + 1}" }).ToList();

        Assert.AreEqual("the rows: found 6 of 7 without a judgment whose final answer is not the gold one (rows.csv, line 2: 1, not 5; "
            + "rows.csv, line 3: 2, not 5; rows.csv, line 4: 3, not 5; rows.csv, line 5: 4, not 5; rows.csv, line 7: 6, not 5; 1 more); "
            + "expected the gold answer, or a judgment that says what is wrong. Judge them (nlft judge), correct them or leave them out; to train on "
            + "them as right ones, set AllowContradictions (nlft: --allow-contradictions).",
            Assert.ThrowsExactly<NlftException>(DataReport.Of(rows).RequireNoContradictions).Message);
        DataReport.Of([rows[4]]).RequireNoContradictions();
    }

    [TestMethod]
    public void ToString_Rows_IsOneTable()
    {
        TrainingExample[] rows =
        [
            Row("#### 5", "5"), Row("#### 5 ", "5") with { Source = "row 2" }, Row("#### 6", "5") with { Source = "row 3" },
            Row("#### 7", "5") with { Judgment = "No." }, Row(" ", "5") with { Source = "row 5" }, Row("blue", "green"),
        ];

        Assert.AreEqual("""
            rows                          6
            with a judgment               1
            contradict the answer         1  row 3
            duplicates                    1  row 2
            empty responses               1  row 5
            cut by the length limit       1  row 6

            """.ReplaceLineEndings("\n"), (DataReport.Of(rows) with { Cut = ["row 6"] }).ToString());
        Assert.Contains("contradict the answer         0  of 1 without a judgment that can be compared", $"{DataReport.Of(rows[..1])}");
    }

    [TestMethod]
    [DataRow("#### 5", "2+3?", true)]
    [DataRow("  #### 5\n", "2+3? ", true)]
    [DataRow("#### 5.0", "2+3?", false)]
    [DataRow("#### 5", "3+2?", false)]
    [DataRow("", "2+3?", false)]
    public void Of_SameQuestionAndResponse_IsADuplicate(string response, string question, bool isDuplicate)
    {
        var report = DataReport.Of([Row("#### 5", "5"), Row(response, "5") with { Question = question }]);

        Assert.HasCount(isDuplicate ? 1 : 0, report.Duplicates);
    }

    private static TrainingExample Row(string response, string answer) => new() { Question = "2+3?", Response = response, Answer = answer };
}
