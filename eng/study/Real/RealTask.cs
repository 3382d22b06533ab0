using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.OnPolicy;

namespace Microsoft.ML.Nlft.Study.Real;

/// <summary>What a model lacks that fails a task.</summary>
internal enum Lack
{
    /// <summary>It knows the content, and writes it in another form than the question asks for.</summary>
    Form,

    /// <summary>It takes the wrong step.</summary>
    Plan,

    /// <summary>It does not know a fact, or cannot compute a number.</summary>
    Fact,
}

/// <summary>A question with a worked solution.</summary>
/// <param name="Question">The question.</param>
/// <param name="Solution">A right response.</param>
/// <param name="Fault">Says what is wrong with a response, as a person would; null: it is right.</param>
internal sealed record RealProblem(string Question, string Solution, Func<string, string?> Fault);

/// <summary>A kind of problem for a real model.</summary>
/// <param name="Name">The name.</param>
/// <param name="Lack">What a small model lacks.</param>
/// <param name="What">What is asked.</param>
/// <param name="Draw">Draws a problem.</param>
internal sealed record RealTask(string Name, Lack Lack, string What, Func<Random, RealProblem> Draw)
{
    private const int MostDraws = 100_000;

    /// <summary>Draws problems with different questions, the same for the same seed.</summary>
    /// <exception cref="InvalidOperationException">The task has too few of them.</exception>
    public IReadOnlyList<RealProblem> Distinct(int count, int seed)
    {
        var (random, problems) = (new Random(seed), new Dictionary<string, RealProblem>());
        for (var draw = 0; draw < MostDraws && problems.Count < count; draw++)
        {
            var problem = Draw(random);
            problems.TryAdd(problem.Question, problem);
        }
        return problems.Count == count ? [.. problems.Values]
            : throw new InvalidOperationException($"{Name}: found {problems.Count} different questions; expected {count}.");
    }
}

/// <summary>Judges the responses to the problems of a task; a right one earns 1, any other 0.</summary>
internal sealed class RealJudge(IEnumerable<RealProblem> problems) : IResponseJudge, IResponseReward
{
    private readonly Dictionary<string, RealProblem> _problems = problems.ToDictionary(problem => problem.Question);

    /// <inheritdoc/>
    public string Name => "rules of the task";

    /// <inheritdoc/>
    public int MaximumParallelism => 1;

    /// <inheritdoc/>
    public Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default) => Task.FromResult(
        _problems[row.Question].Fault(row.Response!) is { } fault ? Verdict.Incorrect(fault) : Verdict.Correct);

    /// <inheritdoc/>
    public double Of(DataRow row) => _problems[row.Question].Fault(row.Response!) is null ? 1 : 0;
}
