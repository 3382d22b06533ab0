using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Data;

/// <summary>A question of GSM8K.</summary>
/// <param name="Question">The word problem.</param>
/// <param name="Answer">The gold solution: a chain of thought with <c>&lt;&lt;a+b=c&gt;&gt;</c> annotations that ends in the answer.</param>
/// <param name="Source">Where it stands, for messages.</param>
public sealed record Gsm8kQuestion(string Question, string Answer, string Source);

/// <summary>What a model once answered to a question of GSM8K's test set.</summary>
/// <param name="Question">The word problem.</param>
/// <param name="Answer">The gold solution.</param>
/// <param name="Response">The model's solution.</param>
/// <param name="IsCorrect">Whether its final answer was counted as right.</param>
/// <param name="Source">Where it stands, for messages.</param>
public sealed record Gsm8kSolution(string Question, string Answer, string Response, bool IsCorrect, string Source);

/// <summary>Reads the files of GSM8K (K. Cobbe et al., arXiv 2110.14168).</summary>
public static class Gsm8kReader
{
    /// <summary>Reads train.jsonl or test.jsonl: properties "question" and "answer".</summary>
    /// <exception cref="NlftException">The first fault: as in <see cref="JsonLinesReader.Read"/>, or an answer without a final number.</exception>
    public static IReadOnlyList<Gsm8kQuestion> ReadQuestions(string path) =>
        [.. JsonRow.ReadFile(path).Select(row => new Gsm8kQuestion(row.RequiredText("question"), GoldAnswer(row, "answer"), row.Place))];

    /// <summary>
    /// Reads example_model_solutions.jsonl: properties "question", "ground_truth", and for each model an object with "solution" and "is_correct".
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="model">6b_finetuning, 6b_verification, 175b_finetuning or 175b_verification.</param>
    /// <exception cref="NlftException">The first fault: as in <see cref="ReadQuestions"/>, or a model that a row does not have.</exception>
    public static IReadOnlyList<Gsm8kSolution> ReadSolutions(string path, string model = "6b_finetuning") =>
    [
        .. from row in JsonRow.ReadFile(path)
           let answered = row.Object(model)
           select new Gsm8kSolution(row.RequiredText("question"), GoldAnswer(row, "ground_truth"), answered.RequiredText("solution"),
               answered.Flag("is_correct"), row.Place),
    ];

    /// <summary>Training rows from a model's solutions, right ones and wrong ones, the wrong ones judged by <see cref="RuleBasedJudge"/>.</summary>
    /// <param name="solutions">What <see cref="ReadSolutions"/> gives, or a part of it.</param>
    /// <param name="instruction">The instruction of every row, or null.</param>
    public static IReadOnlyList<TrainingExample> ToTrainingExamples(IEnumerable<Gsm8kSolution> solutions, string? instruction = null)
    {
        ArgumentNullException.ThrowIfNull(solutions);
        return [.. solutions.Select(solution => new TrainingExample
        {
            Question = solution.Question,
            Response = solution.Response,
            Judgment = RuleBasedJudge.Judge(solution.Response, solution.Answer, solution.Source),
            Answer = solution.Answer,
            Instruction = instruction,
            Source = solution.Source,
        })];
    }

    private static string GoldAnswer(JsonRow row, string name)
    {
        var answer = row.RequiredText(name);
        if (AnswerExtraction.FinalNumber(answer) is null)
            throw new NlftException($"{row.Place}, \"{name}\"", "an answer without a final number", "a solution that ends in #### and a number",
                "Correct the answer or leave the row out.");
        return answer;
    }
}
