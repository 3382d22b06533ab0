using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>A report from within a round: one of its four parts is set.</summary>
/// <param name="Round">The round, from 1.</param>
/// <param name="Rounds">Rounds of the run.</param>
public sealed record OnPolicyProgress(int Round, int Rounds)
{
    /// <summary>Responses so far, while they are drawn.</summary>
    public DataProgress? Drawing { get; init; }

    /// <summary>Judgments so far, while they are made.</summary>
    public DataProgress? Judging { get; init; }

    /// <summary>The last step, while the round trains.</summary>
    public TrainingProgress? Step { get; init; }

    /// <summary>The round, when it has ended.</summary>
    public OnPolicyRound? Done { get; init; }
}
