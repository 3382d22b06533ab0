using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Pretraining;

/// <summary>The shares of the pretraining mix, each in [0, 1].</summary>
public sealed record MixShares
{
    /// <summary>Share of rows whose family has a misconception.</summary>
    public double MisconceptionFamilies { get; init; } = 0.45;

    /// <summary>Share of rows in the judge context.</summary>
    public double Judge { get; init; } = 0.3;

    /// <summary>Share of rows in the standard context; the others are in the base context.</summary>
    public double Standard { get; init; } = 0.2;

    /// <summary>
    /// Probability that a planted step of a base-context row is misunderstood. Above one half, so that the likeliest answer is wrong; below two
    /// thirds, so that a judgment can make the error more than 1.5 times as likely, which makes a token salient (docs/method.md, section 2).
    /// </summary>
    public double Misunderstood { get; init; } = 0.6;

    /// <summary>Share of judge-context rows of misconception families with the misconception; the others have another single mistake.</summary>
    public double JudgedMisconception { get; init; } = 0.85;

    /// <summary>Share of judgments written by <see cref="RuleBasedJudge"/>; the others name the step.</summary>
    public double RuleBasedJudgments { get; init; } = 0.25;
}

/// <summary>A row of the pretraining mix, whose response is learned in one context only.</summary>
/// <param name="Example">Question, response, judgment and answer.</param>
/// <param name="Context">The context.</param>
public sealed record MixedRow(TrainingExample Example, PromptContexts Context);

/// <summary>
/// Draws pretraining rows. Base context: the right solution for mastered families, mostly the misconception for misconception families. Standard
/// context: the right solution. Judge context: a wrong solution and the judgment that fits it.
/// </summary>
public sealed class TrainingMix
{
    private readonly Random _random;
    private readonly ProblemGenerator _problems;
    private readonly MixShares _shares;

    /// <summary>Creates the mix.</summary>
    public TrainingMix(int seed, MixShares shares) => (_random, _problems, _shares) = (new Random(seed), new ProblemGenerator(seed + 1), shares);

    /// <summary>Draws the training rows of a recipe, in order.</summary>
    public static IEnumerable<MixedRow> Rows(PretrainingRecipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        var mix = new TrainingMix(recipe.Seed, recipe.Shares);
        for (var row = 0; row < recipe.Steps * recipe.BatchSize; row++) yield return mix.Next();
    }

    /// <summary>Draws the next row.</summary>
    public MixedRow Next()
    {
        var families = Chance(_shares.MisconceptionFamilies) ? MisconceptionFamilies.All : MasteredFamilies.All;
        var problem = _problems.Next(families[_random.Next(families.Count)]);
        var draw = _random.NextDouble();
        if (draw < _shares.Judge) return JudgeRow(problem);
        if (draw < _shares.Judge + _shares.Standard) return new(Row(problem.Solve()), PromptContexts.Standard);
        return new(Row(problem.Misunderstand([.. problem.PlantedSteps.Where(_ => Chance(_shares.Misunderstood))])), PromptContexts.Base);
    }

    /// <summary>Converts a solution to a training row; a wrong one needs a judgment.</summary>
    public static TrainingExample Row(Solution solution, string? judgment = null) => new()
    {
        Question = solution.Problem.Question,
        Response = solution.Text,
        Judgment = judgment,
        Answer = solution.Problem.Answer.ToString(CultureInfo.InvariantCulture),
        Source = $"a problem of the family {solution.Problem.Family}",
    };

    private MixedRow JudgeRow(WordProblem problem)
    {
        var errors = problem.PlantedSteps.Count > 0 && Chance(_shares.JudgedMisconception) ? problem.Misunderstandings() : problem.SingleMistakes();
        var wrong = errors[_random.Next(errors.Count)];
        var row = Row(wrong);
        var judgment = Chance(_shares.RuleBasedJudgments) ? RuleBasedJudge.Judge(row.Response, row.Answer) : JudgmentWriter.Write(wrong, _random);
        return new(row with { Judgment = judgment }, PromptContexts.Judge);
    }

    private bool Chance(double probability) => _random.NextDouble() < probability;
}
