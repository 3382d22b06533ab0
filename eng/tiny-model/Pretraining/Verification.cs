using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Pretraining;

/// <summary>The results of a model's greedy answers to problems of one family.</summary>
/// <param name="Family">The family.</param>
/// <param name="Unseen">Whether the problems are new to the model; false for a family with too few problems.</param>
/// <param name="Count">Problems per context.</param>
/// <param name="BaseRight">Right answers to the question alone.</param>
/// <param name="StandardRight">Right answers with the standard answer shown.</param>
/// <param name="JudgeWrong">Wrong answers with a judgment shown.</param>
/// <param name="JudgeAsNamed">Answers with a judgment shown that equal the answer of the judged solution.</param>
public sealed record FamilyResult(ProblemFamily Family, bool Unseen, int Count, int BaseRight, int StandardRight, int JudgeWrong, int JudgeAsNamed);

/// <summary>Measures a model, family by family and context by context.</summary>
public static class Verification
{
    private static readonly GenerationOptions s_generation = new() { MaximumNewTokens = 200, MaximumBatchSize = 200 };

    /// <summary>Measures the families.</summary>
    /// <param name="model">The model.</param>
    /// <param name="families">The families.</param>
    /// <param name="problemsPerFamily">Number of problems per family.</param>
    /// <param name="seed">Seed of the problems.</param>
    /// <param name="seen">
    /// Questions of the training rows, which are excluded unless the family has fewer than half of <paramref name="problemsPerFamily"/> others.
    /// </param>
    /// <returns>One result per family, measured while enumerating.</returns>
    public static IEnumerable<FamilyResult> Measure(
        LocalModel model, IReadOnlyList<ProblemFamily> families, int problemsPerFamily, int seed, IReadOnlySet<string> seen)
    {
        var generator = new TextGenerator(model.Network, model.Tokenizer, model.Prompts.StopIds);
        return families.Select(family =>
        {
            var random = new Random(seed);
            var problems = new ProblemGenerator(seed, seen).UpTo(problemsPerFamily, family);
            var unseen = 2 * problems.Count >= problemsPerFamily;
            if (!unseen) problems = new ProblemGenerator(seed).UpTo(problemsPerFamily, family);
            return Measure(family, unseen, WrongSolutions(family, problems, random), random, model.Prompts, generator);
        });
    }

    /// <summary>Draws a wrong solution of each problem: one with the misconception, or one with a single mistake.</summary>
    private static Solution[] WrongSolutions(ProblemFamily family, IReadOnlyList<WordProblem> problems, Random random) =>
    [
        .. problems.Select(problem => family.HasMisconception ? problem.Misunderstandings() : problem.SingleMistakes())
            .Select(errors => errors[random.Next(errors.Count)]),
    ];

    private static FamilyResult Measure(
        ProblemFamily family, bool unseen, Solution[] wrong, Random random, PromptEncoder prompts, TextGenerator generator)
    {
        var rows = Array.ConvertAll(wrong, solution => prompts.Encode(TrainingMix.Row(solution, JudgmentWriter.Write(solution, random))));
        AnswerNumber?[] Answers(PromptContexts context)
        {
            var answers = generator.Generate(Array.ConvertAll(rows, row => row.Prompt(context).ToArray()), s_generation);
            return [.. answers.Select(answer => AnswerExtraction.FinalNumber(answer.Text))];
        }

        var right = Array.ConvertAll(wrong, solution => Number(solution.Problem.Answer));
        var (atBase, atStandard, atJudge) = (Answers(PromptContexts.Base), Answers(PromptContexts.Standard), Answers(PromptContexts.Judge));
        return new FamilyResult(
            family, unseen, wrong.Length, Equal(atBase, right), Equal(atStandard, right), wrong.Length - Equal(atJudge, right),
            Equal(atJudge, Array.ConvertAll(wrong, solution => Number(solution.Answer))));
    }

    private static AnswerNumber? Number(int number) => AnswerExtraction.FinalNumber(number.ToString(CultureInfo.InvariantCulture));

    private static int Equal(AnswerNumber?[] left, AnswerNumber?[] right) => left.Zip(right).Count(pair => pair.First == pair.Second);
}
