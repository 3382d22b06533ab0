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

    /// <summary>All evaluations of the held-out rows, in order; empty without any (<see cref="FineTuneOptions.Validation"/>).</summary>
    public IReadOnlyList<ValidationReport> Validation => [.. Steps.SelectMany(step => step.Validation)];

    /// <summary>The best evaluation after a step; null without any.</summary>
    public ValidationReport? Best { get; init; }

    /// <summary>Whether the model has the weights of <see cref="Best"/> (<see cref="ValidationOptions.KeepBest"/>) instead of the last.</summary>
    public bool KeptBest { get; init; }

    /// <summary>Whether the run ended before its last epoch, because <see cref="ValidationOptions.Patience"/> evaluations gained nothing.</summary>
    public bool StoppedEarly { get; init; }

    /// <summary>The newest checkpoint, or null.</summary>
    public string? LastCheckpoint { get; init; }

    /// <summary>
    /// Says in a line whether the run stopped early, which evaluation was the best and which weights the model has; null without any.
    /// </summary>
    public string? DescribeValidation() => Best is null ? null
        : $"{(StoppedEarly ? "Stopped early: the evaluations gained nothing. " : "")}Best {Best with { IsBest = false }}; "
            + $"the weights are those of {(KeptBest ? "that step" : "the last step")}.";
}
