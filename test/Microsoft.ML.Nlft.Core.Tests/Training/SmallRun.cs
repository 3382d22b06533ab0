using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A small model, seven rows to train it on, and a folder for checkpoints.</summary>
internal sealed class SmallRun : IDisposable
{
    public static readonly LoraConfiguration Lora = new() { Rank = 4, Alpha = 8, Dropout = 0.1 };

    /// <summary>The base model.</summary>
    public ModelFolder Model { get; } = TinyModels.Create();

    /// <summary>A folder, empty at first.</summary>
    public TemporaryFolder Folder { get; } = new();

    /// <summary>The place for checkpoints in it.</summary>
    public string Checkpoints => Folder.File("checkpoints");

    /// <summary>Where the checkpoint of a step lies.</summary>
    public string CheckpointOf(int step) => Path.Combine(Checkpoints, Checkpoint.FileName(step));

    /// <summary>The names of the checkpoints there, the oldest first.</summary>
    public string[] CheckpointNames => [.. Checkpoint.In(Checkpoints).Select(path => Path.GetFileName(path)).Reverse()];

    public static EncodedExample[] Rows() =>
    [
        .. Enumerable.Range(0, 7).Select(i =>
        {
            int[] response = [.. Enumerable.Range(0, 3 + i % 4).Select(t => (7 * i + 3 * t) % 31)];
            return new EncodedExample(i % 3 == 0 ? Polarity.Correct : Polarity.Incorrect, response, [1, 2, i], i % 3 == 0 ? [] : [1, 3, 4, i],
                [5, i, 6], $"row {i + 1}");
        }),
    ];

    public ICausalLanguageModel Load(int threads = 1, LoraConfiguration? lora = null, TrainableWeights trainable = TrainableWeights.Lora) =>
        Load(Model, threads, lora, trainable);

    public static ICausalLanguageModel Load(ModelFolder folder, int threads = 1, LoraConfiguration? lora = null,
        TrainableWeights trainable = TrainableWeights.Lora) =>
        new ManagedEngine(threads).Load(new ModelLoadOptions
        {
            Folder = folder,
            Trainable = trainable,
            Lora = trainable == TrainableWeights.Lora ? lora ?? Lora : null,
        });

    public static FineTuneResult Run(
        ICausalLanguageModel model, FineTuneOptions options, Action<TrainingProgress>? told = null, ITokenObjective? objective = null,
            EncodedExample[]? rows = null, string? baseModel = null,
        TimeProvider? time = null, CancellationToken cancellation = default) =>
        new TrainingRun(model, rows ?? Rows(), objective ?? new NaturalLanguageObjective(), options, time) { BaseModel = baseModel }.Run(told is null
            ? null : new Listener(told), cancellation);

    /// <summary>Every number that training changed.</summary>
    public static float[] State(ICausalLanguageModel model) =>
        [.. model.Export(ModelState.Weights).Concat(model.Export(ModelState.Optimizer)).SelectMany(tensor => tensor.Values)];

    public void Dispose()
    {
        Model.Dispose();
        if (Directory.Exists(Model.Path)) Directory.Delete(Model.Path, recursive: true);
        Folder.Dispose();
    }
}
