using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Reports the state of a run after an optimizer step.</summary>
public sealed record TrainingProgress
{
    /// <summary>Optimizer steps done, from 1.</summary>
    public required int Step { get; init; }

    /// <summary>Optimizer steps of the whole run.</summary>
    public required int TotalSteps { get; init; }

    /// <summary>Epochs done, as a fraction (2.5: half-way through the third).</summary>
    public required double Epoch { get; init; }

    /// <summary>Loss of this step's window before the step, including the objective's scale.</summary>
    public required double Loss { get; init; }

    /// <summary>Share of this window's response tokens that were the base context's most likely token.</summary>
    public required double TokenAccuracy { get; init; }

    /// <summary>Share of this window's response tokens that were salient.</summary>
    public required double SalientShare { get; init; }

    /// <summary>Global L2 norm of the gradients before clipping.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Learning rate of this step.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Tokens processed so far, all contexts.</summary>
    public required long TokensSeen { get; init; }

    /// <summary>Tokens of all contexts per second, over this step.</summary>
    public required double TokensPerSecond { get; init; }

    /// <summary>Time since the run began.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Estimated time to the end.</summary>
    public required TimeSpan Remaining { get; init; }

    /// <summary>
    /// With several processes, names the slowest one if the others wait for it: if it took more than 1.5 times as long per token as the median for
    /// five steps in a row. A sentence with its rank, process id and machine; usually null.
    /// </summary>
    public string? SlowProcess { get; init; }

    /// <summary>
    /// The recordings since the previous report (<see cref="FineTuneOptions.RecordedRows"/>): with the first step those before training, with the
    /// last step of an epoch those after it. Usually empty.
    /// </summary>
    public IReadOnlyList<RecordedEpoch> Recorded { get; init; } = [];

    /// <summary>
    /// The evaluations of the held-out rows since the previous report (<see cref="FineTuneOptions.Validation"/>): with the first step also the one
    /// before training. Usually empty.
    /// </summary>
    public IReadOnlyList<ValidationReport> Validation { get; init; } = [];
}
