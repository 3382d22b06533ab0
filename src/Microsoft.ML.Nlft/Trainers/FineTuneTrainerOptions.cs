using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>What the fine-tuning trainers have in common. The defaults of training are the published runs' (arXiv 2412.20382).</summary>
public abstract class FineTuneTrainerOptions
{
    private protected FineTuneTrainerOptions()
    {
    }

    /// <summary>Folder of the base model in Hugging Face layout (config.json, safetensors, tokenizer.json). Required.</summary>
    public string ModelFolder = "";

    /// <summary>Text column with the questions. Default "Question".</summary>
    public string QuestionColumnName = ColumnNames.Question;

    /// <summary>
    /// Text column with an instruction for the system prompt of each row, or null for none. When set, predictions need it too. Default null.
    /// </summary>
    public string? InstructionColumnName;

    /// <summary>Column that the fine-tuned model writes its answers to. Default "GeneratedAnswer".</summary>
    public string OutputColumnName = ColumnNames.GeneratedAnswer;

    /// <summary>The LoRA adapter to train. Default rank 16, alpha 16, dropout 0.05 on gate_proj, up_proj and down_proj.</summary>
    public LoraConfiguration Lora = new();

    /// <summary>Passes over the rows, 1 or more. Default 10.</summary>
    public int Epochs = Published.Epochs;

    /// <summary>Rows of one optimizer step, 1 or more. Default 4.</summary>
    public int BatchSize = Published.BatchSize;

    /// <summary>
    /// Rows sent through the model together, from 1 to <see cref="BatchSize"/>; 0: all of a batch. Smaller saves memory and changes nothing else.
    /// Default 0.
    /// </summary>
    public int MicroBatchSize = Published.MicroBatchSize;

    /// <summary>Peak learning rate, above 0. Default 5e-5.</summary>
    public double LearningRate = Published.LearningRate;

    /// <summary>Shape of the learning rate after the warm-up. Default cosine.</summary>
    public LearningRateSchedule Schedule = Published.Schedule;

    /// <summary>Share of the steps in which the learning rate rises linearly from 0, in [0, 1]. Default 0.1.</summary>
    public double WarmupRatio = Published.WarmupRatio;

    /// <summary>AdamW and gradient clipping. Default no weight decay, clipping at norm 1.</summary>
    public AdamWOptions Optimizer = Published.Optimizer;

    /// <summary>How the losses of a batch are averaged. Default mean over rows.</summary>
    public LossReduction Reduction = Published.Reduction;

    /// <summary>Whether the rows are shuffled anew every epoch. Default true.</summary>
    public bool Shuffle = Published.Shuffle;

    /// <summary>
    /// Seeds the fresh adapter, shuffling and dropout. Null: drawn from the <see cref="MLContext"/> when the trainer is created, so that a context
    /// with a seed repeats its runs; the log names the number. Default null.
    /// </summary>
    public int? Seed;

    /// <summary>Wording and length limit of the prompts.</summary>
    public PromptOptions Prompts = new();

    /// <summary>How the fine-tuned model generates, and how many rows together. Default greedy, up to 512 new tokens.</summary>
    public GenerationOptions Generation = new();

    /// <summary>
    /// The engine to train and generate on; one for GPUs, which names no device itself, takes <see cref="MLContext.GpuDeviceId"/> and
    /// <see cref="MLContext.FallbackToCpu"/> where they are set. Default null: the managed CPU engine.
    /// </summary>
    public IModelEngine? Engine;

    /// <summary>
    /// Told after every optimizer step, on the training thread. <see cref="Monitoring.ConsoleReporter"/>, <see cref="Monitoring.LivePage"/>,
    /// <see cref="Monitoring.TensorBoardWriter"/> and <see cref="Monitoring.SaliencyMapFile"/> are such listeners; <see cref="Monitoring.TrainingMonitors"/> joins
    /// several. Default null.
    /// </summary>
    public IProgress<TrainingProgress>? Progress;

    /// <summary>The clock that dates the model card. Default the system's.</summary>
    public TimeProvider TimeProvider = TimeProvider.System;

    /// <summary>Stops training. Default none.</summary>
    public CancellationToken CancellationToken;

    /// <summary>
    /// Whether a cancelled run returns the model trained so far instead of throwing <see cref="OperationCanceledException"/>. Default false.
    /// </summary>
    public bool ReturnPartialOnCancel = Published.ReturnPartialOnCancel;

    /// <summary>
    /// Whether a step whose loss or gradient is not finite is left out instead of ending the run; the log says how many were. Default false.
    /// </summary>
    public bool SkipNonFiniteSteps = Published.SkipNonFiniteSteps;

    /// <summary>A folder for checkpoints, from which <see cref="ResumeFrom"/> takes a run up that was killed; null: none are written. Default null.</summary>
    public string? CheckpointFolder;

    /// <summary>Steps between two checkpoints, 0 or more; 0: only time counts. Default 0.</summary>
    public int CheckpointSteps = Published.CheckpointSteps;

    /// <summary>Minutes between two checkpoints, 0 or more; 0: only steps count. Default 10.</summary>
    public double CheckpointMinutes = Published.CheckpointMinutes;

    /// <summary>How many checkpoints stay, the newest ones, 1 or more. Default 3.</summary>
    public int CheckpointsKept = Published.CheckpointsKept;

    /// <summary>
    /// A checkpoint, or a folder of them, to go on from; it must be of the same base model, options and rows. That includes <see cref="Seed"/>: set it, or give
    /// the context one. A folder without checkpoints begins at the beginning. Default null.
    /// </summary>
    public string? ResumeFrom;

    /// <summary>Whether a run may go on from the checkpoint of another engine, to a result that is not, to the bit, the unbroken run's. Default false: refused.</summary>
    public bool ResumeOnAnotherEngine = Published.ResumeOnAnotherEngine;

    /// <summary>
    /// Whether processes that a launcher of MPI (mpirun, srun) has started together train one model; false: each trains by itself. Default true, which changes
    /// nothing in a process on its own.
    /// </summary>
    public bool Distributed = Published.Distributed;

    private protected static FineTuneOptions Published { get; } = new();

    /// <summary>The options of the training loop.</summary>
    internal virtual FineTuneOptions ToFineTuneOptions(int seed) => new()
    {
        Epochs = Epochs,
        BatchSize = BatchSize,
        MicroBatchSize = MicroBatchSize,
        LearningRate = LearningRate,
        Schedule = Schedule,
        WarmupRatio = WarmupRatio,
        Optimizer = Optimizer,
        Reduction = Reduction,
        Shuffle = Shuffle,
        Seed = seed,
        ReturnPartialOnCancel = ReturnPartialOnCancel,
        SkipNonFiniteSteps = SkipNonFiniteSteps,
        CheckpointFolder = CheckpointFolder,
        CheckpointSteps = CheckpointSteps,
        CheckpointMinutes = CheckpointMinutes,
        CheckpointsKept = CheckpointsKept,
        ResumeFrom = ResumeFrom,
        ResumeOnAnotherEngine = ResumeOnAnotherEngine,
        Distributed = Distributed,
    };
}

/// <summary>The default column names.</summary>
internal static class ColumnNames
{
    public const string Question = "Question", Response = "Response", Judgment = "Judgment", Answer = "Answer";

    public const string Instruction = "Instruction", GeneratedAnswer = "GeneratedAnswer", IsCorrect = "IsCorrect";
}
