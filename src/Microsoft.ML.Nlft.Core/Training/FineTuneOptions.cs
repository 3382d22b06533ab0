using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Training;

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Half a cosine down to 0.</summary>
    Cosine,

    /// <summary>A straight line down to 0.</summary>
    Linear,

    /// <summary>Stays.</summary>
    Constant,
}

/// <summary>When the judge and standard contexts are scored again (NLFT-SPEC 4.8).</summary>
public enum ContextRefresh
{
    /// <summary>With the weights of every step (as published).</summary>
    EveryStep,

    /// <summary>Once at the beginning of every epoch.</summary>
    EveryEpoch,

    /// <summary>Once, before the first step.</summary>
    Once,
}

/// <summary>How the losses of a window's examples are averaged (NLFT-SPEC 4.7).</summary>
public enum LossReduction
{
    /// <summary>Mean over examples of the per-example loss, each already divided by its own n.</summary>
    ExampleMean,

    /// <summary>Every token of the window weighs the same: examples weighted by n.</summary>
    TokenMean,
}

/// <summary>The training set-up; the defaults are the published runs' (NLFT-SPEC section 5).</summary>
public sealed record FineTuneOptions
{
    /// <summary>Passes over the rows, 1 or more. Default 10.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>Rows of one optimizer step, 1 or more. Default 4.</summary>
    public int BatchSize { get; init; } = 4;

    /// <summary>Rows sent through the engine together, from 1 to <see cref="BatchSize"/>; 0 means all of the batch. Smaller saves memory and changes nothing else. Default 0.</summary>
    public int MicroBatchSize { get; init; }

    /// <summary>Peak learning rate, above 0. Default 5e-5.</summary>
    public double LearningRate { get; init; } = 5e-5;

    /// <summary>Shape of the learning rate after the warm-up. Default cosine.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Cosine;

    /// <summary>Share of the steps in which the learning rate rises linearly from 0, in [0, 1]. Default 0.1.</summary>
    public double WarmupRatio { get; init; } = 0.1;

    /// <summary>AdamW and clipping.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>When the judge and standard contexts are scored again. Default every step.</summary>
    public ContextRefresh Refresh { get; init; } = ContextRefresh.EveryStep;

    /// <summary>How the losses of a window are averaged. Default mean over examples.</summary>
    public LossReduction Reduction { get; init; } = LossReduction.ExampleMean;

    /// <summary>Whether the rows are shuffled anew every epoch. Default true.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Seeds shuffling and dropout. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>Whether a cancelled run returns what was trained so far instead of throwing <see cref="OperationCanceledException"/>. Default false.</summary>
    public bool ReturnPartialOnCancel { get; init; }
}
