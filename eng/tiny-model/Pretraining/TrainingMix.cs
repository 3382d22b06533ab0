using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Pretraining;

/// <summary>How often the mix draws what.</summary>
public sealed record MixShares
{
    /// <summary>Rows whose family has a misconception.</summary>
    public double MisconceptionFamilies { get; init; } = 0.45;

    /// <summary>Rows in the judge context.</summary>
    public double Judge { get; init; } = 0.3;

    /// <summary>Rows in the standard context; the others are in the base context.</summary>
    public double Standard { get; init; } = 0.2;

    /// <summary>
    /// How often a planted step of a base-context row is misunderstood. Above one half, so that the likeliest answer errs; below two thirds,
    /// so that a judgment can make the error more than 1.5 times as likely, which is what marks a token as salient (docs/method.md, section 2).
    /// </summary>
    public double Misunderstood { get; init; } = 0.6;

    /// <summary>Judge-context rows of a misconception family whose error is the misconception; the others have some other single mistake.</summary>
    public double JudgedMisconception { get; init; } = 0.85;

    /// <summary>Judgments in the words of <see cref="RuleBasedJudge"/>; the others name the step.</summary>
    public double RuleBasedJudgments { get; init; } = 0.25;
}

/// <summary>A row of the pretraining mix: the response is to be learned in one context only.</summary>
/// <param name="Example">Question, response, judgment and answer.</param>
/// <param name="Context">The context.</param>
public sealed record MixedRow(TrainingExample Example, PromptContexts Context);

/// <summary>
/// Draws pretraining rows. Base context: mastered families are solved rightly, misconception families mostly with their misconception.
/// Standard context: the right solution. Judge context: a wrong solution and the judgment that fits it.
/// </summary>
public sealed class TrainingMix
{
    private readonly Random _random;
    private readonly ProblemGenerator _problems;
    private readonly MixShares _shares;

    /// <summary>Creates the mix.</summary>
    public TrainingMix(int seed, MixShares shares) => (_random, _problems, _shares) = (new Random(seed), new ProblemGenerator(seed + 1), shares);

    /// <summary>The rows that a recipe's model is trained on, in order.</summary>
    public static IEnumerable<MixedRow> Rows(Recipe recipe)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        var mix = new TrainingMix(recipe.Seed, recipe.Shares);
        for (var row = 0; row < recipe.Steps * recipe.BatchSize; row++) yield return mix.Next();
    }

    /// <summary>The next row.</summary>
    public MixedRow Next()
    {
        var families = Chance(_shares.MisconceptionFamilies) ? MisconceptionFamilies.All : MasteredFamilies.All;
        var problem = _problems.Next(families[_random.Next(families.Count)]);
        var draw = _random.NextDouble();
        if (draw < _shares.Judge) return JudgeRow(problem);
        if (draw < _shares.Judge + _shares.Standard) return new(Row(problem.Solve()), PromptContexts.Standard);
        return new(Row(problem.Misunderstand([.. problem.PlantedSteps.Where(_ => Chance(_shares.Misunderstood))])), PromptContexts.Base);
    }

    /// <summary>A solution as a training row; wrong ones need a judgment.</summary>
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
