namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>Draws problems of given families; the same seed draws the same problems.</summary>
public sealed class ProblemGenerator
{
    private const int Patience = 10_000;

    private readonly Random _random;
    private readonly HashSet<string> _questions;

    /// <summary>Creates a generator.</summary>
    /// <param name="seed">Seeds all draws.</param>
    /// <param name="seen">Questions that must not be drawn (those of a training set, for example), or null.</param>
    public ProblemGenerator(int seed, IEnumerable<string>? seen = null) => (_random, _questions) = (new Random(seed), seen is null ? [] : [.. seen]);

    /// <summary>A problem of one family.</summary>
    /// <exception cref="InvalidOperationException">The family has no problem left that was not seen before.</exception>
    public WordProblem Next(ProblemFamily family) =>
        TryNext(family) ?? throw new InvalidOperationException($"{Patience} draws from the family {family} gave no new problem: it has too few.");

    private WordProblem? TryNext(ProblemFamily family)
    {
        ArgumentNullException.ThrowIfNull(family);
        for (var draw = 0; draw < Patience; draw++)
        {
            var problem = family.Draw(_random);
            if (!_questions.Contains(problem.Question)) return problem;
        }

        return null;
    }

    /// <summary>As many different problems of a family that were not seen as it has, up to a number. They count as seen from now on.</summary>
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

    /// <summary>Problems that differ from each other and from those seen, the families taking turns. They count as seen from now on.</summary>
    /// <exception cref="InvalidOperationException">A family has no problem left that was not seen before.</exception>
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
