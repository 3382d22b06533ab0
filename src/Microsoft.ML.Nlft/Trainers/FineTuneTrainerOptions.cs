using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>Options that all fine-tuning trainers share.</summary>
public abstract class FineTuneTrainerOptions
{
    private protected FineTuneTrainerOptions()
    {
    }

    /// <summary>
    /// The base model: a folder in Hugging Face layout (config.json, safetensors, tokenizer.json), a GGUF file, or a name that
    /// <see cref="ModelLocator"/> finds.
    /// Required.
    /// </summary>
    public string ModelFolder = "";

    /// <summary>
    /// The base model's name in files that are meant for publishing: <c>organisation/name</c> on the hub. Default null: the hub name if it is known,
    /// else the folder's own name.
    /// </summary>
    public string? BaseModelName;

    /// <summary>Text column with the questions. Default "Question".</summary>
    public string QuestionColumnName = ColumnNames.Question;

    /// <summary>
    /// Text column with an instruction for the system prompt of each row, or null for none. When set, predictions need it too. Default null.
    /// </summary>
    public string? InstructionColumnName;

    /// <summary>Column that the fine-tuned model writes its answers to. Default "GeneratedAnswer".</summary>
    public string OutputColumnName = ColumnNames.GeneratedAnswer;

    /// <summary>
    /// Epochs, batches, learning rate, optimizer, checkpoints, processes. Default: those of the published runs (arXiv 2412.20382). Leave its
    /// <see cref="FineTuneOptions.Seed"/> at the default: <see cref="Seed"/> replaces it.
    /// </summary>
    public FineTuneOptions Training = new();

    /// <summary>
    /// Rows to hold out and evaluate during training, with the columns of the training rows and questions that none of them asks; the steps of a
    /// pipeline before the trainer are not applied to them. <see cref="FineTuneOptions.Validation"/> in <see cref="Training"/> says how, and can
    /// take a share of the training rows instead. Default null: none.
    /// </summary>
    public IDataView? ValidationSet;

    /// <summary>The LoRA adapter to train. Default rank 16, alpha 16, dropout 0.05 on gate_proj, up_proj and down_proj.</summary>
    public LoraConfiguration Lora = new();

    /// <summary>
    /// Seeds the fresh adapter, shuffling and dropout. Null: drawn from the <see cref="MLContext"/> when the trainer is created, so that a context
    /// with a seed repeats its runs; the log names the number. Default null.
    /// </summary>
    public int? Seed;

    /// <summary>Wording and length limit of the prompts.</summary>
    public PromptOptions Prompts = new();

    /// <summary>How the fine-tuned model generates, and in which batches. Default: greedily, up to 512 new tokens.</summary>
    public GenerationOptions Generation = new();

    /// <summary>
    /// The engine to train and generate on; a GPU engine whose options name no device uses <see cref="MLContext.GpuDeviceId"/> and
    /// <see cref="MLContext.FallbackToCpu"/> where they are set. Default null: the managed CPU engine.
    /// </summary>
    public IModelEngine? Engine;

    /// <summary>Receives a report after every optimizer step, on the training thread. Default null.</summary>
    public IProgress<TrainingProgress>? Progress;

    /// <summary>
    /// Follows the run from start to end, on the training thread: <see cref="Monitoring.ConsoleReporter"/>, <see cref="Monitoring.LivePage"/>,
    /// <see cref="Monitoring.TensorBoardWriter"/>, <see cref="Monitoring.SaliencyMapFile"/>, or several joined by
    /// <see cref="Monitoring.TrainingMonitors"/>. Default null.
    /// </summary>
    public ITrainingMonitor? Monitor;

    /// <summary>The clock of the progress figures and the checkpoints, which also dates the model card. Default the system's.</summary>
    public TimeProvider TimeProvider = TimeProvider.System;

    /// <summary>Cancels training. Default: none.</summary>
    public CancellationToken CancellationToken;
}

/// <summary>The default column names.</summary>
internal static class ColumnNames
{
    public const string Question = "Question", Response = "Response", Judgment = "Judgment", Answer = "Answer";

    public const string Instruction = "Instruction", GeneratedAnswer = "GeneratedAnswer", IsCorrect = "IsCorrect";
}
