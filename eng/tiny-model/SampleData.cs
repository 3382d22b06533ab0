using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.TinyModel.Pretraining;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel;

/// <summary>Generates the rows of the samples: the base model's own wrong answers with judgments, worked solutions, and test questions.</summary>
public static class SampleData
{
    /// <summary>The family that the samples correct.</summary>
    public const string CorrectedFamily = "fewer-than-twice";

    private const int WrongRows = 25, TestRows = 200;

    /// <summary>
    /// Writes rows.jsonl, gold.jsonl with the worked solutions of the same problems, test-corrected.jsonl and test-others.jsonl. No problem is in
    /// pretraining or in two of the other files.
    /// </summary>
    public static void Write(LocalModel model, string folder, int seed, IReadOnlySet<string> seen, TextWriter log)
    {
        Directory.CreateDirectory(folder);
        var corrected = MisconceptionFamilies.Named(CorrectedFamily);
        var wrong = WrongAnswers(model, corrected, new ProblemGenerator(seed, seen), new Random(seed), log);
        var rows = wrong.ConvertAll(answer => answer.Row);
        DataFile.WriteExamples(Path.Combine(folder, "rows.jsonl"), rows);
        DataFile.WriteExamples(Path.Combine(folder, "gold.jsonl"), wrong.ConvertAll(answer => TrainingMix.Row(answer.Problem.Solve())));

        var unseen = new ProblemGenerator(seed + 1, seen.Concat(rows.Select(row => row.Question)));
        WriteTest(Path.Combine(folder, "test-corrected.jsonl"), unseen.Distinct(TestRows, corrected));
        WriteTest(Path.Combine(folder, "test-others.jsonl"), unseen.Distinct(TestRows, MasteredFamilies.All));
        log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{rows.Count} rows and {2 * TestRows} test problems written to {folder}"));
    }

    /// <summary>Asks the model and keeps its wrong answers, each with a judgment.</summary>
    private static List<(TrainingExample Row, WordProblem Problem)> WrongAnswers(
        LocalModel model, ProblemFamily family, ProblemGenerator generator, Random random, TextWriter log)
    {
        var rows = new List<(TrainingExample Row, WordProblem Problem)>();
        var (asked, right, unreadable) = (0, 0, 0);
        while (rows.Count < WrongRows)
        {
            if (asked >= 20 * WrongRows)
            {
                throw new InvalidOperationException(
                    $"The model gave only {rows.Count} wrong answers to {asked} problems of the family {family}: the misconception did not take.");
            }

            var problems = generator.Distinct(WrongRows, family);
            var answers = model.Answer([.. problems.Select(problem => problem.Question)], new GenerationOptions { MaximumNewTokens = 200 });
            foreach (var (problem, answer) in problems.Zip(answers))
            {
                asked++;
                var solution = SolutionReader.Read(problem, answer.Text);
                if (solution is null)
                {
                    unreadable++;
                }
                else if (solution.Answer == problem.Answer)
                {
                    right++;
                }
                else if (rows.Count < WrongRows)
                {
                    rows.Add((TrainingMix.Row(solution, JudgmentWriter.Write(solution, random)) with { Response = answer.Text }, problem));
                }
            }
        }

        log.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{asked} problems of the family {family} asked: {right} right, {unreadable} without readable steps, {rows.Count} wrong ones kept"));
        return rows;
    }

    private static void WriteTest(string path, IReadOnlyList<WordProblem> problems)
    {
        var lines = problems.Select(problem => JsonSerializer.Serialize(
            new { problem.Question, Answer = problem.Answer.ToString(CultureInfo.InvariantCulture), problem.Family }));
        var partial = path + ".partial";
        File.WriteAllText(partial, string.Concat(lines.Select(line => line + "\n")));
        File.Move(partial, path, overwrite: true);
    }
}
