using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>The real files of GSM8K: every row is read, and the rule-based judge agrees with the recorded verdicts.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class Gsm8kFixtureTests
{
    [TestMethod]
    [DataRow("train.jsonl")]
    [DataRow("test.jsonl")]
    public void Every_question_is_read_and_its_gold_answer_is_the_published_one(string file)
    {
        var questions = Gsm8kReader.ReadQuestions(Fixture(file));
        Assert.IsGreaterThan(0, questions.Count);
        foreach (var question in questions)
        {
            Assert.IsNull(RuleBasedJudge.Judge(question.Answer, question.Answer), question.Source);
            Assert.IsTrue(AnswerNumber.TryParse(AnswerExtraction.PublishedGoldAnswer(question.Answer), out var published), question.Source);
            Assert.AreEqual(published, AnswerExtraction.FinalNumber(question.Answer), question.Source);
        }
    }

    [TestMethod]
    [DataRow("6b_finetuning")]
    [DataRow("6b_verification")]
    [DataRow("175b_finetuning")]
    [DataRow("175b_verification")]
    public void The_rule_based_judge_agrees_with_the_recorded_verdicts(string model)
    {
        var solutions = Gsm8kReader.ReadSolutions(Fixture("example_model_solutions.jsonl"), model);
        var rows = Gsm8kReader.ToTrainingExamples(solutions);
        var disagreements = solutions.Zip(rows).Where(pair => pair.First.IsCorrect != (pair.Second.Polarity == Polarity.Correct)).ToList();
        var judgments = rows.Select(row => row.Judgment).OfType<string>().ToList();

        Console.WriteLine($"{model}: {solutions.Count} solutions, {solutions.Count(s => s.IsCorrect)} recorded as right, {disagreements.Count} disagreements; " +
            $"judgments: {judgments.Count(j => j.StartsWith("The calculation", StringComparison.Ordinal))} name a calculation, {judgments.Count(j => j.Contains("does not state", StringComparison.Ordinal))} a missing answer");
        foreach (var (solution, row) in disagreements)
            Console.WriteLine($"{solution.Source}: recorded {solution.IsCorrect}, judged \"{row.Judgment}\", ends \"{solution.Response[^Math.Min(60, solution.Response.Length)..]}\"");
        Assert.IsEmpty(disagreements, "a class of disagreements: name it in docs/data.md");
    }

    private static string Fixture(string file)
    {
        var path = Fixtures.Path_("fixtures", "gsm8k", file);
        if (!File.Exists(path)) Assert.Inconclusive($"no fixtures/gsm8k/{file} under {Fixtures.Root}");
        return path;
    }
}
