namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>What every layer sees of one pass: the rows of the rotary table, how to attend, and what to drop.</summary>
internal sealed class PassContext
{
    /// <summary>Cosine and sine of every row's position, [N, 1, d/2].</summary>
    public required (Tensor Cosine, Tensor Sine) Rotation { get; init; }

    /// <summary>Attention of one layer: from its number, q[N, heads, d] and k, v[N, kvHeads, d] to [N, heads d].</summary>
    public required Func<int, Tensor, Tensor, Tensor, Tensor> Attend { get; init; }

    /// <summary>LoRA dropout; null when it is off.</summary>
    public Dropout? Dropout { get; init; }
}
