using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>
/// Estimates the GPU memory of the TorchSharp engine in bfloat16, in bytes: the tensors it allocates and those that libtorch's autograd keeps for
/// the backward pass. CUDA's context and libtorch's reserve come on top.
/// </summary>
internal sealed class TorchMemoryEstimate(ModelFacts model, LoraConfiguration lora, int rows, int tokensPerRow)
{
    /// <summary>The formulas, for display.</summary>
    public static readonly string[] Formulas =
    [
        "weights      2 bytes each; with Int8Weights 1 byte each in the decoder layers' matrices and 2 per row of them",
        "cache        4 bytes x L x K x T  (keys and values, bfloat16)",
        "adapter      16 bytes x trained parameters  (float32)",
        "activations  2 bytes x T x (L x H + (S + 1) x (H + 4Q + 3I + D)) + 10 bytes x min(T, 1024) x min(V, 8192)",
        "             D = inputs of a layer's adapted matrices, twice with dropout; S = L, or 1 when recomputed, as with Int8Weights",
    ];

    private const int Size = 2, HeadRows = 1024, HeadColumns = 8192, HeadBytes = 4 + 4 + Size; // logits, their exponentials, and those narrowed

    private readonly ModelConfiguration _c = model.Configuration;
    private readonly long _tokens = (long)rows * tokensPerRow;

    /// <summary>Bytes of the frozen weights.</summary>
    /// <param name="int8">Whether the decoder layers' matrices are held as int8.</param>
    public long Weights(bool int8)
    {
        if (!int8) return Size * model.Parameters;
        var linears = ModelLayout.LinearModules(_c).ToList();
        var narrow = linears.Sum(linear => (long)linear.Outputs * linear.Inputs);
        return Size * (model.Parameters - narrow) + narrow + Size * linears.Sum(linear => (long)linear.Outputs);
    }

    /// <summary>Bytes of the key/value cache during generation.</summary>
    public long Cache => 2L * Size * _c.LayerCount * _c.KeyValueHeadCount * _c.HeadSize * _tokens;

    /// <summary>Bytes of the activations that a training pass keeps.</summary>
    /// <param name="recompute">Whether the backward pass recomputes activations.</param>
    public long Activations(bool recompute)
    {
        long hidden = _c.HiddenSize, queries = (long)_c.HeadCount * _c.HeadSize;
        var linears = ModelLayout.LinearModules(_c).ToDictionary(linear => linear.Name);
        var adapted = lora.Resolve(_c).Sum(target => (long)linears[target.Module].Inputs) / _c.LayerCount * (lora.Dropout > 0 ? 2 : 1);
        var set = hidden + 4 * queries + 3L * _c.IntermediateSize + adapted;
        return Size * _tokens * (_c.LayerCount * hidden + ((recompute ? 1 : _c.LayerCount) + 1) * set) // one set is in use
            + HeadBytes * Math.Min(_tokens, HeadRows) * Math.Min(HeadColumns, _c.VocabularySize);
    }
}
