using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>Judges responses against gold answers.</summary>
public interface IResponseJudge
{
    /// <summary>Names the judge and everything that decides over its verdicts: an interrupted run of another judge is not gone on with.</summary>
    string Name { get; }

    /// <summary>Most rows that it wants to judge at the same time, 1 or more.</summary>
    int MaximumParallelism { get; }

    /// <summary>Judges a row.</summary>
    /// <param name="row">A row with response and answer.</param>
    /// <param name="cancellationToken">Cancels the judgment.</param>
    /// <exception cref="NlftException">The row has no response or no answer that can be used, or the judge cannot be reached.</exception>
    Task<Verdict> JudgeAsync(JsonLinesRow row, CancellationToken cancellationToken = default);
}

/// <summary>Judges worked solutions by <see cref="RuleBasedJudge"/>: the final number, and the first wrong <c>&lt;&lt;a*b=c&gt;&gt;</c> calculation.</summary>
public sealed class RuleJudge : IResponseJudge
{
    /// <inheritdoc/>
    public string Name => "rule-based judge";

    /// <summary>1: there is nothing to wait for.</summary>
    public int MaximumParallelism => 1;

    /// <inheritdoc/>
    public Task<Verdict> JudgeAsync(JsonLinesRow row, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(row);
        cancellationToken.ThrowIfCancellationRequested();
        var judgment = RuleBasedJudge.Judge(row.Response ?? throw row.Missing(nameof(row.Response)), row.Answer ?? throw row.Missing(nameof(row.Answer)), row.Source);
        return Task.FromResult(judgment is null ? Verdict.Correct : Verdict.Incorrect(judgment));
    }
}
