namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>How the managed engine works. Only <see cref="Int8Weights"/> changes results.</summary>
public sealed record ManagedEngineOptions
{
    /// <summary>Most threads to use, 1 or more; 0: one per processor. Default 0.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Whether frozen weight matrices are rounded to 8 bits with one factor per row as they are loaded: w = s q, s = max |w| / 127, so that no weight is
    /// off by more than 1/254 of the largest of its row. Half of bfloat16's memory; norms, biases and whatever is
    /// trained stay float32. Otherwise they stay in the type they have in the file. Default false.
    /// </summary>
    public bool Int8Weights { get; init; }

    /// <summary>
    /// Most bytes of the layers' inner results that a training pass keeps for the way back, 0 or more. What does not fit is computed again, layer
    /// by layer: about a third more time for all layers, the same results. Null: half of the memory that this process may use. Default null.
    /// </summary>
    public long? ActivationMemory { get; init; }
}
