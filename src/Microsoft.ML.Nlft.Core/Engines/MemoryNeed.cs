using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>What <see cref="IModelEngine.Estimate"/> estimates the memory of.</summary>
public sealed record MemoryRequest
{
    /// <summary>The architecture.</summary>
    public required ModelConfiguration Model { get; init; }

    /// <summary>Bytes of the weights, in the types they have in their files.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>What is trained. Default: nothing.</summary>
    public TrainableWeights Trainable { get; init; }

    /// <summary>The adapter that is trained; null: none.</summary>
    public LoraConfiguration? Lora { get; init; }

    /// <summary>Tokens of a training pass, prompts and responses of all its rows together; 0 (the default): there is no pass.</summary>
    public int Tokens { get; init; }
}

/// <summary>The least memory that a model needs on an engine, in bytes.</summary>
public sealed record MemoryNeed
{
    /// <summary>The frozen weights.</summary>
    public long Weights { get; init; }

    /// <summary>The trained weights with their gradients and the state of the optimizer.</summary>
    public long Trained { get; init; }

    /// <summary>What a training pass keeps for its backward pass, if the engine saves all it can.</summary>
    public long Activations { get; init; }

    /// <summary>What this process may use.</summary>
    public required long Available { get; init; }

    /// <summary>An option of the engine that makes the frozen weights smaller; null: there is none.</summary>
    public MemorySaving? Saving { get; init; }

    /// <summary>All of it.</summary>
    public long Sum => Weights + Trained + Activations;
}

/// <summary>An option of an engine that makes the frozen weights smaller.</summary>
/// <param name="Option">What to do, as the end of a sentence: "set Int8Weights of the engine".</param>
/// <param name="Weights">Bytes of the frozen weights then.</param>
public sealed record MemorySaving(string Option, long Weights);
