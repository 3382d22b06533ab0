using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tests.Feedback;

/// <summary>Compares the rule-based judge with the real files of GSM8K and their recorded verdicts.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class RuleBasedJudgeFixtureTests
{
    [TestMethod]
    [DataRow("train.jsonl")]
    [DataRow("test.jsonl")]
    public void Judge_GoldAnswers_AreRightAndThePublishedOnes(string file)
    {
        var questions = DataFile.Read(Fixture(file), RowFormat.Gsm8k);
        Assert.IsGreaterThan(0, questions.Count);
        foreach (var question in questions)
        {
            Assert.IsNull(RuleBasedJudge.Judge(question.Answer!, question.Answer!), question.Source);
            Assert.IsTrue(AnswerNumber.TryParse(AnswerExtraction.PublishedGoldAnswer(question.Answer!), out var published), question.Source);
            Assert.AreEqual(published, AnswerExtraction.FinalNumber(question.Answer!), question.Source);
        }
    }

    [TestMethod]
    [DataRow("6b_finetuning")]
    [DataRow("6b_verification")]
    [DataRow("175b_finetuning")]
    [DataRow("175b_verification")]
    public void Judge_RecordedSolutions_AgreesWithTheRecordedVerdicts(string model)
    {
        var solutions = DataFile.ReadGsm8kSolutions(Fixture("example_model_solutions.jsonl"), model);
        DataRow[] rows = [.. solutions.Select(row => row with { Judgment = RuleBasedJudge.Judge(row.Response!, row.Answer!, row.Source) })];
        var disagreements = rows.Where(row => row.Score == 1 != (row.Polarity == Polarity.Correct)).ToList();
        var judgments = rows.Select(row => row.Judgment).OfType<string>().ToList();

        var calculations = judgments.Count(judgment => judgment.StartsWith("The calculation", StringComparison.Ordinal));
        var missing = judgments.Count(judgment => judgment.Contains("does not state", StringComparison.Ordinal));
        Console.WriteLine($"{model}: {rows.Length} solutions, {rows.Count(row => row.Score == 1)} recorded as right, {disagreements.Count} "
            + $"disagreements; judgments: {calculations} name a calculation, {missing} a missing answer");
        foreach (var row in disagreements)
            Console.WriteLine($"{row.Source}: recorded {row.Score}, judged \"{row.Judgment}\", response \"{row.Response}\"");
        Assert.IsEmpty(disagreements, "a class of disagreements: name it in docs/data.md");
    }

    private static string Fixture(string file)
    {
        var path = Fixtures.Path_("fixtures", "gsm8k", file);
        if (!File.Exists(path)) Assert.Inconclusive($"no fixtures/gsm8k/{file} under {Fixtures.Root}");
        return path;
    }
}
