namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>What every layer needs in one pass: the rotary table, attention and dropout.</summary>
internal sealed class PassContext
{
    /// <summary>What rotates the heads of every row, <see cref="RotaryEmbedding.Rows"/>.</summary>
    public required (Tensor Cosine, Tensor Sine) Rotation { get; init; }

    /// <summary>The same for layers with a sliding window; null if they share it.</summary>
    public (Tensor Cosine, Tensor Sine)? SlidingRotation { get; init; }

    /// <summary>Computes the attention of a layer, o[N, heads d], from the index of the layer, q[N, heads, d] and k, v[N, kvHeads, d].</summary>
    public required Func<int, Tensor, Tensor, Tensor, Tensor> Attend { get; init; }

    /// <summary>The masks of LoRA dropout; null without dropout.</summary>
    public Dropout? Dropout { get; init; }
}
