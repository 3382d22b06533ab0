using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>The options of <see cref="ReinforcedRun"/>; the defaults are those of the published runs, except where they say otherwise.</summary>
public sealed record ReinforcedOptions
{
    /// <summary>
    /// Supervised fine-tuning before the first response, on the worked solutions of the rows; null: none. Its seed is that of the run. Default 2
    /// epochs at 1e-5.
    /// </summary>
    public FineTuneOptions? WarmUp { get; init; } = new() { Epochs = 2, LearningRate = 1e-5 };

    /// <summary>Passes over the questions, 1 or more. Default 10; published: up to 300.</summary>
    public int Epochs { get; init; } = 10;

    /// <summary>Questions that are responded to and learned from together, 1 or more. Default 8.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Responses that go through the engine together, 1 to <see cref="BatchSize"/>; 0: all. Default 0.</summary>
    public int MicroBatchSize { get; init; }

    /// <summary>Optimizer steps on every batch of responses, 1 or more. Default 2.</summary>
    public int StepsPerBatch { get; init; } = 2;

    /// <summary>The constant learning rate, above 0. Default 3e-7, for all weights of a large model; an adapter needs more.</summary>
    public double LearningRate { get; init; } = 3e-7;

    /// <summary>The constant learning rate of the value head, above 0. Default 1e-3: the head is linear and trained apart.</summary>
    public double ValueLearningRate { get; init; } = 1e-3;

    /// <summary>AdamW and clipping.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>How far the probability of a token may move from that of the draw, as a share, in (0, 1). Default 0.2.</summary>
    public double Clip { get; init; } = 0.2;

    /// <summary>How far a value may move from that of the draw, above 0. Default 0.2.</summary>
    public double ValueClip { get; init; } = 0.2;

    /// <summary>Weight of the value loss, which trains the value head alone, above 0. Default 5.</summary>
    public double ValueCoefficient { get; init; } = 5;

    /// <summary>Penalty for leaving the model after the warm-up, per nat and token, 0 or more. Default 0.05.</summary>
    public double KlCoefficient { get; init; } = 0.05;

    /// <summary>Discount of later rewards, in [0, 1]. Default 1.</summary>
    public double Gamma { get; init; } = 1;

    /// <summary>Decay of the generalised advantages, in [0, 1]. Default 0.95.</summary>
    public double Lambda { get; init; } = 0.95;

    /// <summary>How responses are drawn. Default temperature 1 and at most 512 tokens.</summary>
    public GenerationOptions Generation { get; init; } = new() { Temperature = 1 };

    /// <summary>Batches between two evaluations of the held-out questions, 0 or more; 0: after every epoch. Default 0.</summary>
    public int EvaluateEvery { get; init; }

    /// <summary>Seeds the order of the questions, the draws and dropout. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>
    /// A folder for the state of the run, so that one that was killed or cancelled resumes to the same end with the same call; null: nothing is
    /// kept. Default null.
    /// </summary>
    [ChangesNoResult]
    public string? Folder { get; init; }

    /// <summary>Batches between two writes of the state, 1 or more. Default 10.</summary>
    [ChangesNoResult]
    public int SaveEvery { get; init; } = 10;

    /// <summary>Refuses the first option that lies outside its range.</summary>
    internal void Validate()
    {
        Whole(nameof(Epochs), Epochs, 1);
        Whole(nameof(BatchSize), BatchSize, 1);
        Whole(nameof(MicroBatchSize), MicroBatchSize, 0);
        OptionCheck.Require(MicroBatchSize <= BatchSize, nameof(MicroBatchSize), MicroBatchSize, $"at most BatchSize, {BatchSize}", "Lower it.");
        Whole(nameof(StepsPerBatch), StepsPerBatch, 1);
        Whole(nameof(EvaluateEvery), EvaluateEvery, 0);
        Whole(nameof(SaveEvery), SaveEvery, 1);
        Number(nameof(LearningRate), LearningRate, LearningRate > 0, "above 0");
        Number(nameof(ValueLearningRate), ValueLearningRate, ValueLearningRate > 0, "above 0");
        Number(nameof(Clip), Clip, Clip is > 0 and < 1, "in (0, 1)");
        Number(nameof(ValueClip), ValueClip, ValueClip > 0, "above 0");
        Number(nameof(ValueCoefficient), ValueCoefficient, ValueCoefficient > 0, "above 0");
        Number(nameof(KlCoefficient), KlCoefficient, KlCoefficient >= 0, "0 or more");
        Number(nameof(Gamma), Gamma, Gamma is >= 0 and <= 1, "in [0, 1]");
        Number(nameof(Lambda), Lambda, Lambda is >= 0 and <= 1, "in [0, 1]");
        OptionCheck.Require(Generation is not null, nameof(Generation), Generation, "generation options", "Leave it out for the defaults.");
        Generation!.Validate();
        OptionCheck.Require(Generation is { Temperature: 1, TopK: 0, TopP: 1, MinP: 0, RepetitionPenalty: 1 }, "Generation.Temperature",
            Generation.Temperature, "1, without filters and penalties", "The loss supposes responses drawn from the model's own distribution.");
        OptionCheck.Require(Optimizer is not null, nameof(Optimizer), Optimizer, "AdamW options", "Leave it out for the defaults.");
        Optimizer!.Validate();
        WarmUp?.Validate();
        OptionCheck.Require(Folder is null || !string.IsNullOrWhiteSpace(Folder), nameof(Folder), Folder, "a path, or null",
            "Leave it out to keep nothing.");
    }

    private static void Whole(string name, int value, int least) =>
        OptionCheck.Require(value >= least, name, value, $"{least} or more", "Set it within the range, or leave it out.");

    private static void Number(string name, double value, bool inRange, string range) =>
        OptionCheck.Require(double.IsFinite(value) && inRange, name, value, $"a finite number {range}", "Set it within the range, or leave it out.");
}
