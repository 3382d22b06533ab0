using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>Describes the model and the pass whose memory <see cref="IModelEngine.Estimate"/> estimates.</summary>
public sealed record MemoryRequest
{
    /// <summary>The architecture.</summary>
    public required ModelConfiguration Model { get; init; }

    /// <summary>Bytes of the weights in the types of their files.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>The weights that are trained. Default: none.</summary>
    public TrainableWeights Trainable { get; init; }

    /// <summary>The adapter that is trained; null: none.</summary>
    public LoraConfiguration? Lora { get; init; }

    /// <summary>Tokens of a training pass: prompts and responses of all its rows. Default 0: no pass.</summary>
    public int Tokens { get; init; }
}

/// <summary>The least memory that a model needs on an engine, in bytes.</summary>
public sealed record MemoryNeed
{
    /// <summary>The frozen weights.</summary>
    public long Weights { get; init; }

    /// <summary>The trained weights with their gradients and optimizer state.</summary>
    public long Trained { get; init; }

    /// <summary>The activations kept for the backward pass, with every memory saving of the engine.</summary>
    public long Activations { get; init; }

    /// <summary>The memory that this process may use.</summary>
    public required long Available { get; init; }

    /// <summary>An option of the engine that shrinks the frozen weights; null: none.</summary>
    public MemorySaving? Saving { get; init; }

    /// <summary>The total.</summary>
    public long Sum => Weights + Trained + Activations;
}

/// <summary>An option of an engine that shrinks the frozen weights.</summary>
/// <param name="Option">What to do, as the end of a sentence: "set Int8Weights of the engine".</param>
/// <param name="Weights">Bytes of the frozen weights with this option.</param>
public sealed record MemorySaving(string Option, long Weights);
