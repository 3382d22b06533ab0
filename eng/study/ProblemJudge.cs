using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Judges by rule and names the wrong step as a person would, where the steps of the response can be read.</summary>
internal sealed class ProblemJudge(IReadOnlyDictionary<string, WordProblem> problems, int seed) : IResponseJudge
{
    private readonly RuleBasedJudge _rule = new();

    /// <inheritdoc/>
    public string Name => $"steps of the problems, {seed}";

    /// <inheritdoc/>
    public int MaximumParallelism => 1;

    /// <inheritdoc/>
    public async Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default)
    {
        var verdict = await _rule.JudgeAsync(row, cancellationToken);
        return verdict.Kind == VerdictKind.Incorrect && SolutionReader.Read(problems[row.Question], row.Response!) is { Faults.Count: > 0 } solution
            ? Verdict.Incorrect(JudgmentWriter.Write(solution, new Random(seed))) : verdict;
    }
}
