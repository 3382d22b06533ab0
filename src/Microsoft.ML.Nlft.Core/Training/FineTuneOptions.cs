using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>How the losses of a window's examples are averaged (docs/method.md 4.7).</summary>
public enum LossReduction
{
    /// <summary>Mean over examples of the per-example loss, each already divided by its own n.</summary>
    ExampleMean,

    /// <summary>Mean over the tokens of the window: examples are weighted by n.</summary>
    TokenMean,
}

/// <summary>Options of training; the defaults are those of the published runs (docs/method.md, section 5).</summary>
public sealed record FineTuneOptions : INestedOptions
{
    /// <summary>Passes over the rows, 1 or more. Default 10.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>
    /// Optimizer steps at most, 0 or more: training ends after them, and the schedule spans them, even within an epoch; 0: as many as the epochs
    /// have. Default 0.
    /// </summary>
    public int MaximumSteps { get; init; }

    /// <summary>Rows per optimizer step, 1 or more. Default 4.</summary>
    public int BatchSize { get; init; } = 4;

    /// <summary>
    /// Rows per pass through the engine, from 1 to <see cref="BatchSize"/>; 0 means the whole batch. A smaller value saves memory; it adds
    /// numbers in another order, so that the values of a step differ by about 1e-7 of their size. Default 0.
    /// </summary>
    public int MicroBatchSize { get; init; }

    /// <summary>Peak learning rate, above 0. Default 5e-5.</summary>
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>Shape of the learning rate after the warm-up. Default cosine.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Cosine;

    /// <summary>
    /// Share of the steps over which the learning rate rises linearly from 0, in [0, 1], rounded up to whole steps; the first step has rate 0, as
    /// in the Hugging Face schedules. A run of one step has no warm-up. Default 0.1.
    /// </summary>
    public double WarmupRatio { get; init; } = 0.1;

    /// <summary>AdamW and clipping.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>
    /// When the judge and standard contexts are scored again; null: when the objective says so, every step with NLFT. Default null.
    /// </summary>
    public ContextRefresh? Refresh { get; init; }

    /// <summary>How the losses of a window are averaged. Default mean over examples.</summary>
    public LossReduction Reduction { get; init; } = LossReduction.ExampleMean;

    /// <summary>
    /// Whether the run also trains on the gold answers: each is one more row, the right response to its question, at the end of the rows. For
    /// answers that are worked solutions; a bare result teaches the model to leave out the steps. Default false.
    /// </summary>
    public bool TrainOnAnswers { get; init; }

    /// <summary>Whether the rows are reshuffled every epoch. Default true.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Seeds shuffling, dropout and the draw of held-out questions. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>
    /// Whether a cancelled run returns what was trained so far instead of throwing <see cref="OperationCanceledException"/>. Default false.
    /// </summary>
    public bool ReturnPartialOnCancel { get; init; }

    /// <summary>
    /// Rows to record, by index from 0: they are scored before training and after every epoch, and <see cref="TrainingProgress.Recorded"/> reports
    /// the saliency of every token. Recording does not change training. Default none.
    /// </summary>
    public IReadOnlyList<int> RecordedRows { get; init; } = [];

    /// <summary>Validation on held-out rows: when and how, the best weights, early stopping.</summary>
    [ChangesNoResult] // listed apart, where rows are held out
    public ValidationOptions Validation { get; init; } = new();

    /// <summary>
    /// Whether rows without a judgment are trained on as right although their final answer is not the gold one (<see cref="DataReport"/>). Default
    /// false: such rows are refused.
    /// </summary>
    [ChangesNoResult]
    public bool AllowContradictions { get; init; }

    /// <summary>
    /// Whether rows that show nothing to train on, because their response is blank or too long, are left out and counted (<see cref="DataReport"/>).
    /// Default false: such rows are refused.
    /// </summary>
    [ChangesNoResult]
    public bool SkipUnusableRows { get; init; }

    /// <summary>
    /// Whether a step whose loss or gradient is not finite is skipped and counted (<see cref="FineTuneResult.SkippedSteps"/>) instead of ending the
    /// run. The schedule continues. Default false.
    /// </summary>
    public bool SkipNonFiniteSteps { get; init; }

    /// <summary>
    /// A folder for checkpoints, created when missing: weights, optimizer, position and metrics, so that a killed run can resume with
    /// <see cref="ResumeFrom"/>. A checkpoint is also written at the end, on cancellation and when a run fails. Null: none are written. Default
    /// null.
    /// </summary>
    [ChangesNoResult]
    public string? CheckpointFolder { get; init; }

    /// <summary>Steps between two checkpoints, 0 or more; 0: only time counts. Default 0.</summary>
    [ChangesNoResult]
    public int CheckpointSteps { get; init; }

    /// <summary>Minutes between two checkpoints, 0 or more; 0: only steps count. Default 10.</summary>
    [ChangesNoResult]
    public double CheckpointMinutes { get; init; } = 10;

    /// <summary>Number of newest checkpoints to keep, 1 or more. Default 3.</summary>
    [ChangesNoResult]
    public int CheckpointsKept { get; init; } = 3;

    /// <summary>
    /// A checkpoint to resume from, or a folder whose newest undamaged checkpoint is used. Base model, options and rows must match, or the run is
    /// refused. With a folder without checkpoints the run starts from the beginning, so that the same call starts and resumes a run. Default null:
    /// start from the beginning.
    /// </summary>
    [ChangesNoResult]
    public string? ResumeFrom { get; init; }

    /// <summary>
    /// Whether a run may resume from a checkpoint of another engine, or of the same engine with other number types
    /// (<see cref="IModelEngine.Arithmetic"/>). The result then differs in the last bits from that of an uninterrupted run. Default false: refused.
    /// </summary>
    public bool ResumeOnAnotherEngine { get; init; }

    /// <summary>
    /// Whether processes that an MPI launcher (mpirun, srun) started together train one model: each takes a share of every batch, and all end with
    /// the same weights, which equal those of a single process up to rounding. False: each trains by itself. Default true, which has no effect in a
    /// single process.
    /// </summary>
    [ChangesNoResult]
    public bool Distributed { get; init; } = true;

    /// <summary>Rows per pass through the engine.</summary>
    internal int RowsPerPass => MicroBatchSize == 0 ? BatchSize : MicroBatchSize;

    /// <summary>The part of a longer run that this one is, which shares its schedule; null: it is a run of its own.</summary>
    internal RunPart? Part { get; init; }

    /// <summary>Optimizer steps of a whole run: one per window of every epoch, up to the limit.</summary>
    /// <exception cref="NlftException">The number exceeds 32 bits.</exception>
    internal int TotalSteps(int rows)
    {
        var steps = (long)Epochs * ((rows - 1) / BatchSize + 1);
        if (MaximumSteps > 0) steps = Math.Min(steps, MaximumSteps);
        OptionCheck.Require(steps <= int.MaxValue, nameof(Epochs), Epochs, $"at most {int.MaxValue} steps in all, not {steps}",
            "Train for fewer epochs.");
        return (int)steps;
    }

    /// <summary>Whether a run in this position has ended.</summary>
    internal bool IsEnd(int epoch, int step) => epoch == Epochs || (MaximumSteps > 0 && step >= MaximumSteps);

    /// <summary>Refuses the first option that lies outside its range.</summary>
    /// <exception cref="NlftException">An option is out of range; the message names it, its value and its range.</exception>
    internal void Validate()
    {
        OptionCheck.Require(Epochs >= 1, nameof(Epochs), Epochs, "1 or more", "Set the number of passes over the rows; the published runs take 10.");
        OptionCheck.Require(MaximumSteps >= 0, nameof(MaximumSteps), MaximumSteps, "0 or more", "Set 0 to train for all epochs.");
        OptionCheck.Require(BatchSize >= 1, nameof(BatchSize), BatchSize, "1 or more", "Set the rows per optimizer step; the published runs take 4.");
        OptionCheck.Require(MicroBatchSize >= 0 && MicroBatchSize <= BatchSize, nameof(MicroBatchSize), MicroBatchSize,
            $"0 (all of the batch) to BatchSize, {BatchSize}", "Lower MicroBatchSize or raise BatchSize.");
        OptionCheck.Require(double.IsFinite(LearningRate) && LearningRate > 0, nameof(LearningRate), LearningRate, "a finite number above 0",
            "Use 5e-5 as the published runs do, or up to 1e-3 for a small model.");
        OptionCheck.Require(Enum.IsDefined(Schedule), nameof(Schedule), Schedule, "Cosine, Linear or Constant", "Name one of the schedules.");
        OptionCheck.Require(WarmupRatio is >= 0 and <= 1, nameof(WarmupRatio), WarmupRatio, "a share from 0 to 1",
            "Give the share of the steps, for example 0.1 for 10 %, not a number of steps.");
        OptionCheck.Require(Optimizer is not null, nameof(Optimizer), Optimizer, "AdamW options", "Leave it out to use the defaults.");
        Optimizer!.Validate();
        OptionCheck.Require(Refresh is not { } refresh || Enum.IsDefined(refresh), nameof(Refresh), Refresh,
            "EveryStep, EveryEpoch or Once", "Name one of the refresh modes.");
        OptionCheck.Require(RecordedRows is not null, nameof(RecordedRows), RecordedRows, "row indices, or an empty list",
            "Leave it out to record nothing.");
        OptionCheck.Require(Validation is not null, nameof(Validation), Validation, "validation options", "Leave it out to use the defaults.");
        Validation!.Validate();
        OptionCheck.Require(CheckpointFolder is null || !string.IsNullOrWhiteSpace(CheckpointFolder), nameof(CheckpointFolder), CheckpointFolder,
            "a path, or null", "Leave it out to write no checkpoints.");
        OptionCheck.Require(CheckpointSteps >= 0, nameof(CheckpointSteps), CheckpointSteps, "0 or more", "Set the steps between two checkpoints.");
        OptionCheck.Require(double.IsFinite(CheckpointMinutes) && CheckpointMinutes >= 0, nameof(CheckpointMinutes), CheckpointMinutes,
            "0 or more", "Set the minutes between two checkpoints.");
        OptionCheck.Require(CheckpointsKept >= 1, nameof(CheckpointsKept), CheckpointsKept, "1 or more", "Set how many checkpoints stay.");
        OptionCheck.Require(ResumeFrom is null || !string.IsNullOrWhiteSpace(ResumeFrom), nameof(ResumeFrom), ResumeFrom, "a path, or null",
            "Leave it out to begin at the beginning.");
        OptionCheck.Require(Enum.IsDefined(Reduction), nameof(Reduction), Reduction, "ExampleMean or TokenMean", "Name one of the reductions.");
    }
}
