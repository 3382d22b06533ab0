namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>Reports a batch of a <see cref="ReinforcedRun"/>.</summary>
public sealed record ReinforcedProgress
{
    /// <summary>Batches done, from 1.</summary>
    public required int Batch { get; init; }

    /// <summary>Batches of the run.</summary>
    public required int Batches { get; init; }

    /// <summary>Passes over the questions, as a fraction.</summary>
    public required double Epoch { get; init; }

    /// <summary>The mean score of the responses, penalties left out.</summary>
    public required double Reward { get; init; }

    /// <summary>The share of the responses with the highest score, 1.</summary>
    public required double RightShare { get; init; }

    /// <summary>The mean of log pi_old - log pi_ref over the tokens: how far the model has moved from its reference, in nats.</summary>
    public required double Divergence { get; init; }

    /// <summary>The policy loss of the last step.</summary>
    public required double PolicyLoss { get; init; }

    /// <summary>The value loss of the last step, without its coefficient.</summary>
    public required double ValueLoss { get; init; }

    /// <summary>The norm of the last step's gradient before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Tokens generated, scored and trained so far.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>The held-out questions answered right after this batch; null: there was no evaluation.</summary>
    public int? HeldOutRight { get; init; }

    /// <summary>Time of this call so far.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>Estimated time to the end.</summary>
    public TimeSpan Remaining { get; init; }
}

/// <summary>The result of a <see cref="ReinforcedRun"/>.</summary>
/// <param name="Batches">The reports of all batches, those before an interruption included.</param>
/// <param name="HeldOutRight">The held-out questions that the returned model answers right; null without such questions.</param>
public sealed record ReinforcedResult(IReadOnlyList<ReinforcedProgress> Batches, int? HeldOutRight);
