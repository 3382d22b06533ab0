namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>Configures the managed engine. Only <see cref="Int8Weights"/> and <see cref="Int4Weights"/> change results.</summary>
public sealed record ManagedEngineOptions
{
    /// <summary>Gets the maximum number of threads; 0 for one per processor. Default 0.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Gets whether frozen weight matrices are quantized to 8 bits with one scale per row while they load: w = s q, s = max |w| / 127. The error of a
    /// weight is at most 1/254 of the largest magnitude in its row. Takes half the memory of bfloat16; norms, biases and trainable weights stay
    /// float32. If false, the matrices keep the type of the file. Default false.
    /// </summary>
    public bool Int8Weights { get; init; }

    /// <summary>
    /// Gets whether the frozen matrices of the decoder layers are quantized to 4 bits in blocks of 32 elements of a row while they load, by the
    /// rule of Q4_0 in GGUF files, and the embedding and the output layer as with <see cref="Int8Weights"/>. The error of a weight is at most 1/8
    /// of the largest magnitude in its block. Takes less than a third of the memory of bfloat16 and replaces <see cref="Int8Weights"/>. Default
    /// false.
    /// </summary>
    public bool Int4Weights { get; init; }

    /// <summary>
    /// Gets the maximum number of bytes of activations that a training pass stores for the backward pass, 0 or more. Layers whose activations do not
    /// fit are recomputed: about a third more time if that is all layers, the same results. Null for half of the memory that the process may use.
    /// Default null.
    /// </summary>
    public long? ActivationMemory { get; init; }

    /// <summary>
    /// Gets the maximum number of bytes of keys and values that a model keeps of prompts it has read, 0 or more. A prompt that begins like one of
    /// them, such as the next turn of a conversation or the next question under an instruction, computes only its rest: less time, the same results.
    /// A position takes 8 bytes x layers x key/value heads x head size. 0 keeps nothing. Default 268,435,456 (256 MiB).
    /// </summary>
    public long PromptCacheMemory { get; init; } = 256L << 20;
}
