using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// What the managed engine needs, in bytes, from the sizes of the arrays it makes. Small buffers are left out.
/// </summary>
public sealed class MemoryEstimate
{
    /// <summary>The formulas, as they are shown.</summary>
    public static IReadOnlyList<string> Formulas { get; } =
    [
        "L layers, H hidden size, I intermediate size (of a token's experts together), V vocabulary, Q = heads x head size,",
        "K = key/value heads x head size",
        "weights      matrices in the type they have in the file (64-bit ones as float32), vectors as float32;",
        "             with Int8Weights 1 byte and 4 per row; with Int4Weights 20 bytes for 32 elements of a row in the layers",
        "cache        8 bytes x L x K x T  (keys and values, float32)",
        "adapter      16 bytes x trained parameters  (value, gradient, two moments)",
        "activations  4 bytes x (T x ((L + 3) x H + S x (H + 2Q + 2K + 2I) + 4H + 4Q + 2K + 2I) + min(T, 1024) x min(V, 2048))",
        "             T = tokens x rows; S = L, or 1 when recomputed; with query/key norms Q + K more beside S, with norms after 2H;",
        "             with queries, keys and values in one matrix Q + 2K more at the end; without a gate I less",
    ];

    private readonly ModelConfiguration _model;
    private readonly long _tokens;

    /// <summary>An estimate for a number of rows that go through the engine together.</summary>
    /// <param name="model">The architecture.</param>
    /// <param name="storedBytes">The weights' bytes in their files.</param>
    /// <param name="rows">Rows together.</param>
    /// <param name="tokensPerRow">Tokens of prompt and response.</param>
    public MemoryEstimate(ModelConfiguration model, long storedBytes, int rows, int tokensPerRow)
    {
        (_model, Weights, _tokens) = (model, storedBytes, (long)rows * tokensPerRow);
        Parameters = ModelLayout.Weights(model).Sum(weight => weight.Shape.Aggregate(1L, (product, size) => product * size));
    }

    /// <summary>Number of parameters of the model.</summary>
    public long Parameters { get; }

    /// <summary>Bytes of the frozen weights.</summary>
    public long Weights { get; }

    /// <summary>Bytes of the frozen weights rounded to 8 bits.</summary>
    public long Int8Weights => ModelLayout.Weights(_model).Sum(weight =>
        weight.Shape.Length == 1 ? 4 * weight.Shape[0] : weight.Shape.Aggregate(1L, (product, size) => product * size) + 4 * weight.Shape[0])
        + ModelLayout.LinearModules(_model).Where(module => module.IsRouter).Sum(router => 3 * router.Size); // as float32 at most

    /// <summary>Bytes of the frozen weights with the layers in 4 bits, the embedding and the output layer in 8 bits.</summary>
    public long Int4Weights
    {
        get
        {
            var blocks = new BlockFormat(Bits: 4, Length: 32, HasMinimum: false);
            var linears = ModelLayout.LinearModules(_model).Where(linear => !linear.IsRouter)
                .Sum(linear => (long)linear.Experts * linear.Outputs * (blocks.Bytes((linear.Inputs + 31L) / 32 * 32) - (linear.Inputs + 4)));
            return Int8Weights + linears;
        }
    }

    /// <summary>Bytes of the keys and values while answers grow.</summary>
    public long Cache => 8L * _model.LayerCount * Keys * _tokens;

    /// <summary>Bytes of what a training pass keeps.</summary>
    /// <param name="recompute">Whether activations are recomputed in the backward pass.</param>
    public long Activations(bool recompute)
    {
        long hidden = _model.HiddenSize, layers = _model.LayerCount, sets = recompute ? 1 : layers;
        long inner = _model.FeedForwardWidth, perToken = _model.Experts?.PerToken ?? 0, experts = _model.Experts?.Count ?? 0;
        var passing = 4 * hidden + 4 * Queries + 2 * Keys + 2 * inner + (experts > 0 ? 2 * perToken * hidden + inner + experts : 0)
            + (_model.QkvLayout == QkvLayout.Separate ? 0 : Queries + 2 * Keys);
        return 4 * _tokens * ((layers + 3) * hidden + sets * Set + passing) + 4 * Math.Min(_tokens, 1024) * Math.Min(2048, _model.VocabularySize);
    }

    /// <summary>Bytes of what a pass that only scores holds at once: the inputs of two layers and the activations of one.</summary>
    public long ScoringActivations => 4 * _tokens * (2L * _model.HiddenSize + Set);

    /// <summary>Bytes of trained parameters with gradient and two moments.</summary>
    /// <param name="parameters">Number of trained parameters.</param>
    public static long Trained(long parameters) => 16 * parameters;

    /// <summary>Parameters of an adapter.</summary>
    /// <param name="lora">The adapter's settings.</param>
    /// <param name="model">The architecture.</param>
    public static long AdapterParameters(LoraConfiguration lora, ModelConfiguration model) =>
        LoraLayout.Trained(lora.For(model), model).Sum(tensor => tensor.Shape.Aggregate(1L, (product, size) => product * size));

    /// <summary>A number of bytes for people, in binary units.</summary>
    /// <param name="bytes">The number.</param>
    public static string Text(long bytes) => ByteSize.Text(bytes);

    /// <summary>Gate and up, or up alone.</summary>
    private long Projections => _model.FeedForwardLayout == FeedForwardLayout.UpOnly ? 1 : 2;

    private long Queries => (long)_model.HeadCount * _model.HeadSize;

    /// <summary>The activations of a layer, per token.</summary>
    private long Set => (_model.Norms == NormPlacement.Before ? 1L : 3L) * _model.HiddenSize + 2 * Queries + 2 * Keys
        + Projections * _model.FeedForwardWidth + (_model.QueryKeyNorm ? Queries + Keys : 0)
        + (_model.Experts is { } experts ? experts.Count + 5 * experts.PerToken : 0);

    private long Keys => (long)_model.KeyValueHeadCount * _model.HeadSize;
}
