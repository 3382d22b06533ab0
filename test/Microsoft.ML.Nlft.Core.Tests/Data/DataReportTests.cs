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
            Assert.ThrowsExactly<NlftException>(() => DataReport.Of(rows).RequireNoContradictions()).Message);
        DataReport.Of([rows[4]]).RequireNoContradictions();
    }

    [TestMethod]
    public void RequireResponses_Some_CountsAndNamesTheFirstOfEachKind()
    {
        var rows = Enumerable.Range(1, 8).Select(i => Row(i > 6 ? "5" : " ", "5") with { Source = $"line {i}" }).ToList();
        const string LeaveOut = "leave them out; to have them left out, set SkipUnusableRows (nlft: --skip-unusable-rows).";
        string Refusal(DataReport report) => Assert.ThrowsExactly<NlftException>(() => report.RequireResponses()).Message;

        Assert.AreEqual("the rows: found 6 of 8 with an empty response (line 1; line 2; line 3; line 4; line 5; 1 more); expected a response in "
            + $"every row, and room for a prompt before it. Fill them in or {LeaveOut}", Refusal(DataReport.Of(rows)));
        Assert.AreEqual("the rows: found 6 of 8 with an empty response (line 1; line 2; line 3; line 4; line 5; 1 more) and 1 of 8 that do not fit "
            + "into MaximumTokens (line 7: 90 tokens); expected a response in every row, and room for a prompt before it. Fill them in, shorten "
            + $"them, raise MaximumTokens up to what the model allows or {LeaveOut}",
            Refusal(DataReport.Of(rows) with { TooLong = ["line 7: 90 tokens"] }));
        Assert.StartsWith("the rows: found 1 of 2 that do not fit into MaximumTokens (line 8: 90 tokens); ",
            Refusal(DataReport.Of(rows[6..]) with { TooLong = ["line 8: 90 tokens"] }));
        DataReport.Of(rows[6..]).RequireResponses();
    }

    [TestMethod]
    [DataRow("""{"messages": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": " "}]}""", true)]
    [DataRow("""{"messages": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": ""}, {"role": "assistant", "content": "5"}]}""",
        false)]
    [DataRow("""{"messages": [{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}]}""", false)]
    [DataRow("""{"messages": [{"role": "assistant", "content": "\n", "tool_calls": []}]}""", true)]
    [DataRow("""{"messages": [{"role": "assistant", "content": "", "reasoning_content": "2+3"}]}""", false)]
    [DataRow("""{"conversations": [{"from": "human", "value": "2+3?"}, {"from": "gpt", "value": "\t"}]}""", true)]
    [DataRow("""{"prompt": [{"role": "user", "content": "2+3?"}], "completion": [{"role": "assistant", "content": ""}]}""", true)]
    [DataRow("""{"prompt": [{"role": "assistant", "content": ""}], "completion": [{"role": "assistant", "content": "5"}]}""", false)]
    [DataRow("""{"prompt": "2+3=", "completion": " "}""", true)]
    [DataRow("""{"instruction": "2+3?", "output": ""}""", true)]
    [DataRow("""{"instruction": "2+3?", "output": null}""", true)]
    public void Of_ChatOrInstruction_IsEmptyWhereNothingThatCountsIsWritten(string line, bool isEmpty)
    {
        using var folder = new TemporaryFolder();

        var report = DataReport.Of(TrainingFile.Read(folder.Write("rows.jsonl", $"{line}\n")).Examples());

        Assert.HasCount(isEmpty ? 1 : 0, report.EmptyResponses);
    }

    [TestMethod]
    [DataRow("rows.csv", "Question,Response,Answer\n2+3?,5,5\n2+4?,,6\n2+5?, ,7\n")]
    [DataRow("rows.tsv", "Question\tAnswer\n2+3?\t5\n2+4?\t\n2+5?\t \n")]
    [DataRow("rows.jsonl", "{\"question\": \"a\", \"response\": \"5\"}\n{\"question\": \"b\", \"response\": \"\"}\n{\"question\": \"c\"}\n")]
    [DataRow("rows.json", """[{"Question": "a", "Response": "5", "Answer": "5"}, {"Question": "b", "Response": null, "Answer": "6"},"""
        + """{"Question": "c", "Response": "\n", "Answer": "7"}]""")]
    [DataRow("rows.json", """[{"instruction": "a", "input": "", "output": "5", "judgment": "", "answer": "5"},"""
        + """{"instruction": "b", "input": "", "output": "", "judgment": "", "answer": "6"},"""
        + """{"instruction": "c", "input": "", "output": " ", "judgment": "no", "answer": "7"}]""")]
    public void Of_FileWithBlankResponses_CountsThemAll(string name, string text)
    {
        using var folder = new TemporaryFolder();

        Assert.HasCount(2, DataReport.Of(TrainingFile.Read(folder.Write(name, text)).Examples()).EmptyResponses);
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
        Assert.Contains("too long to train on          1  row 6: 90 tokens\n", $"{DataReport.Of(rows) with { TooLong = ["row 6: 90 tokens"] }}");
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
