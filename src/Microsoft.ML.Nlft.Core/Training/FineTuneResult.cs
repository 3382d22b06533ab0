using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>What a run did.</summary>
/// <param name="Steps">One entry per optimizer step, those before a checkpoint included.</param>
/// <param name="Cancelled">Whether the run was cancelled and stopped early.</param>
public sealed record FineTuneResult(IReadOnlyList<TrainingProgress> Steps, bool Cancelled)
{
    /// <summary>Everything that was recorded, by epoch; empty unless <see cref="FineTuneOptions.RecordedRows"/> names rows.</summary>
    public IReadOnlyList<RecordedEpoch> Recorded => [.. Steps.SelectMany(step => step.Recorded)];

    /// <summary>Steps that were left out because a number was not finite; they have no entry in <see cref="Steps"/>.</summary>
    public int SkippedSteps { get; init; }

    /// <summary>Steps that were already done in the checkpoint from which the run resumed; 0: it began at the beginning.</summary>
    public int ResumedSteps { get; init; }

    /// <summary>The newest checkpoint, or null.</summary>
    public string? LastCheckpoint { get; init; }
}
