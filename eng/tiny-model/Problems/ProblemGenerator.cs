namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>Draws problems of given families, reproducibly by seed.</summary>
public sealed class ProblemGenerator
{
    private const int MaximumDraws = 10_000;

    private readonly Random _random;
    private readonly HashSet<string> _questions;

    /// <summary>Creates a generator.</summary>
    /// <param name="seed">Seed of all draws.</param>
    /// <param name="seen">Questions to exclude, for example those of a training set; default none.</param>
    public ProblemGenerator(int seed, IEnumerable<string>? seen = null) => (_random, _questions) = (new Random(seed), seen is null ? [] : [.. seen]);

    /// <summary>Draws a problem of one family.</summary>
    /// <exception cref="InvalidOperationException">The family has no unseen problem left.</exception>
    public WordProblem Next(ProblemFamily family) =>
        TryNext(family) ?? throw new InvalidOperationException($"{MaximumDraws} draws from the family {family} gave no new problem: it has too few.");

    private WordProblem? TryNext(ProblemFamily family)
    {
        ArgumentNullException.ThrowIfNull(family);
        for (var draw = 0; draw < MaximumDraws; draw++)
        {
            var problem = family.Draw(_random);
            if (!_questions.Contains(problem.Question)) return problem;
        }

        return null;
    }

    /// <summary>Draws up to a number of different unseen problems of a family, fewer if it has no more. They then count as seen.</summary>
    public IReadOnlyList<WordProblem> UpTo(int count, ProblemFamily family)
    {
        var problems = new List<WordProblem>(count);
        while (problems.Count < count && TryNext(family) is { } problem)
        {
            problems.Add(problem);
            _questions.Add(problem.Question);
        }

        return problems;
    }

    /// <summary>Draws different unseen problems, alternating between the families. They then count as seen.</summary>
    /// <exception cref="InvalidOperationException">A family has no unseen problem left.</exception>
    public IReadOnlyList<WordProblem> Distinct(int count, params IReadOnlyList<ProblemFamily> families)
    {
        var problems = new List<WordProblem>(count);
        while (problems.Count < count)
        {
            problems.Add(Next(families[problems.Count % families.Count]));
            _questions.Add(problems[^1].Question);
        }

        return problems;
    }
}
