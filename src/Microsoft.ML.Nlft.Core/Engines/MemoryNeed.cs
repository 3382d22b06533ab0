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

    /// <summary>Tokens of a pass: prompts and responses of all its rows. Default 0: no pass.</summary>
    public int Tokens { get; init; }

    /// <summary>Whether the pass only scores, and keeps nothing for a backward pass. Default false: it trains.</summary>
    public bool ScoresOnly { get; init; }
}

/// <summary>The least memory that a model needs on an engine, in bytes.</summary>
public sealed record MemoryNeed
{
    /// <summary>The frozen weights.</summary>
    public long Weights { get; init; }

    /// <summary>The trained weights with their gradients and optimizer state.</summary>
    public long Trained { get; init; }

    /// <summary>
    /// The activations kept for the backward pass, or of one layer in a pass that only scores, with the savings that the engine applies by itself or
    /// its options ask for.
    /// </summary>
    public long Activations { get; init; }

    /// <summary>The memory that this process may use.</summary>
    public required long Available { get; init; }

    /// <summary>The options of the engine that would reduce this need, the mildest first. Default: none.</summary>
    public IReadOnlyList<MemorySaving> Savings { get; init; } = [];

    /// <summary>The total.</summary>
    public long Sum => Weights + Trained + Activations;
}

/// <summary>An option of an engine that reduces the memory it needs.</summary>
/// <param name="Option">What to do, as the end of a sentence: "set Int8Weights of the engine".</param>
/// <param name="Need">What the engine needs with this option.</param>
public sealed record MemorySaving(string Option, MemoryNeed Need);
