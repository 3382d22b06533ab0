using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>Judges responses against gold answers.</summary>
public interface IResponseJudge
{
    /// <summary>Names the judge and everything that its verdicts depend on: a run resumes only with a judge of the same name.</summary>
    string Name { get; }

    /// <summary>The most rows to judge at the same time, 1 or more.</summary>
    int MaximumParallelism { get; }

    /// <summary>Judges a row.</summary>
    /// <param name="row">A row with response and answer.</param>
    /// <param name="cancellationToken">Cancels the judgment.</param>
    /// <exception cref="NlftException">The row has no usable response or answer, or the judge cannot be reached.</exception>
    Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default);
}
