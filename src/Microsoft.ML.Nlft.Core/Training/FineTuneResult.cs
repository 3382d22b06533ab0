using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Holds the result of a run.</summary>
/// <param name="Steps">One entry per optimizer step, including those before a checkpoint.</param>
/// <param name="Cancelled">Whether the run was cancelled and stopped early.</param>
public sealed record FineTuneResult(IReadOnlyList<TrainingProgress> Steps, bool Cancelled)
{
    /// <summary>All recordings, by epoch; empty unless <see cref="FineTuneOptions.RecordedRows"/> names rows.</summary>
    public IReadOnlyList<RecordedEpoch> Recorded => [.. Steps.SelectMany(step => step.Recorded)];

    /// <summary>Steps that were skipped because a number was not finite; they have no entry in <see cref="Steps"/>.</summary>
    public int SkippedSteps { get; init; }

    /// <summary>Steps that the checkpoint from which the run resumed had completed; 0: the run started from the beginning.</summary>
    public int ResumedSteps { get; init; }

    /// <summary>The newest checkpoint, or null.</summary>
    public string? LastCheckpoint { get; init; }
}
