using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp.Layers;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// Estimates the memory of the TorchSharp engine, in bytes: the tensors it allocates and those that libtorch's autograd keeps for the backward pass.
/// The context of CUDA and the reserve of libtorch come on top.
/// </summary>
public sealed class TorchSharpMemoryEstimate
{

    private readonly ModelConfiguration _model;
    private readonly long _tokens;
    private readonly int _size;
    private readonly IReadOnlyList<LinearModule> _linears;

    /// <summary>Prepares the estimate for a number of tokens that go through the engine together.</summary>
    /// <param name="model">The architecture.</param>
    /// <param name="computeType">The engine's compute type: 4 bytes per value in F32, else 2.</param>
    /// <param name="tokens">Tokens of prompts and responses of all rows, 0 or more.</param>
    public TorchSharpMemoryEstimate(ModelConfiguration model, TensorType computeType, long tokens)
    {
        (_model, _tokens, _size) = (model, tokens, computeType == TensorType.F32 ? 4 : 2);
        _linears = [.. ModelLayout.LinearModules(model)];
        Parameters = ModelLayout.Weights(model).Sum(weight => weight.Shape.Aggregate(1L, (product, size) => product * size));
    }

    /// <summary>Gets the formulas, for display.</summary>
    public static IReadOnlyList<string> Formulas { get; } =
    [
        "b = 2 bytes in bfloat16, as shown here, or 4 in float32",
        "weights      b each; in the decoder layers' matrices with Int8Weights 1 byte each and b per row, with Int4Weights 18 bytes for 32",
        "cache        2b x L x K x T  (keys and values)",
        "adapter      16 bytes x trained parameters  (float32), in bfloat16 20: a copy of them and of their gradients",
        "activations  b x T x (L x H + S x (H + 2Q + 2K + 2I + D) + (H + 2Q + 2K + 3I + E)) + (8 + b, in float32 8) bytes x Z",
        "             Z = min(T x V, max(2^23, V x H / 16, 1024 x T)) logits at a time; S = L, or 1 when recomputed, as with 8 or 4 bits",
        "             E = distinct inputs of a layer's adapted matrices, D = those of attention; with dropout one of b + 1 bytes per matrix",
        "             with query/key norms Q + K more; without a gate I in place of 2I and of 3I",
        "             experts, norms after the parts of a layer, DoRA, trained biases: 3I + E in place of 2I + D in S too",
        "             with norms before and after also 2H; soft caps on attention keep the scores too, which are not counted",
    ];

    /// <summary>Gets the number of parameters of the model.</summary>
    public long Parameters { get; }

    /// <summary>Gets the bytes of the frozen weights.</summary>
    public long Weights => _size * Parameters;

    /// <summary>Gets the bytes of the frozen weights when the matrices of the decoder layers are held as int8.</summary>
    public long Int8Weights => Weights - (_size - 1) * Matrices + _size * Quantized.Sum(linear => (long)linear.Experts * linear.Outputs);

    /// <summary>Gets the bytes of the frozen weights when the matrices of the decoder layers are held in 4 bits.</summary>
    public long Int4Weights => Weights - _size * Matrices
        + Quantized.Sum(linear => (long)linear.Experts * linear.Outputs * BlockMatrix.RowBytes(linear.Inputs));

    /// <summary>Computes the bytes of parameters that are trained, their gradients and the moments of AdamW.</summary>
    /// <param name="parameters">Their number.</param>
    /// <param name="computeType">The engine's compute type.</param>
    /// <param name="all">Whether all weights are trained: then there is no copy in the compute type.</param>
    public static long Trained(long parameters, TensorType computeType, bool all = false) =>
        MemoryEstimate.Trained(parameters) + (all || computeType == TensorType.F32 ? 0 : 4 * parameters);

    /// <summary>Gets the bytes of the key/value cache during generation.</summary>
    public long Cache => 2L * _size * _model.LayerCount * _model.KeyValueHeadCount * _model.HeadSize * _tokens;

    /// <summary>Gets the bytes that a pass that only scores holds at least: input and output of a layer, and the widest inside it.</summary>
    public long ScoringActivations => _size * _tokens * (2L * _model.HiddenSize + _model.FeedForwardWidth);

    /// <summary>Computes the bytes of the activations that a training pass keeps.</summary>
    /// <param name="lora">The adapter that is trained; null: all weights are.</param>
    /// <param name="recompute">Whether the backward pass recomputes activations.</param>
    public long Activations(LoraConfiguration? lora, bool recompute)
    {
        long hidden = _model.HiddenSize, queries = (long)_model.HeadCount * _model.HeadSize;
        long keys = (long)_model.KeyValueHeadCount * _model.HeadSize, inner = _model.FeedForwardWidth;
        // What experts put out, what they are given where their weights are trained, and the router's probabilities.
        var experts = _model.Experts is { } mixture ? _size * (lora is null ? 2 : 1) * mixture.PerToken * hidden + 12 * mixture.Count : 0;
        var outputs = _model.Norms == NormPlacement.Both ? 2 * hidden : 0; // inputs of the norms after attention and feed-forward
        var norms = _model.QueryKeyNorm ? queries + keys : 0;
        var gated = _model.FeedForwardLayout != FeedForwardLayout.UpOnly;
        var normed = (_model.NormKind == NormKind.Layer ? 2 : 4) * hidden; // LayerNorm computes what its weights' gradient needs once more
        var attention = hidden + 2 * (queries + keys) + norms + outputs;
        var whole = _size * (attention + (gated ? 3 : 1) * inner) + experts // per token, as autograd keeps it
            + (lora is null ? _size * (normed + outputs + queries + inner + norms) : AdaptedInputs(lora, attentionOnly: false));
        var kept = DecoderLayer.MayBeByHand(_model, lora) // without what the feed-forward network computes once more
            ? _size * (attention + (gated ? 2 : 1) * inner) + AdaptedInputs(lora!, attentionOnly: true) : whole;
        int layers = _model.LayerCount, graphs = recompute ? 1 : layers; // that exist before the backward pass
        // Weights that are trained are float32: products in another type need a copy, which autograd keeps.
        var copies = lora is null && _size < 4 ? _size * Matrices / layers * (graphs + 1) : 0;
        return _tokens * (_size * layers * hidden + graphs * kept + whole) + copies
            + (_size < 4 ? 8 + _size : 8) * TokenHead.MostLogits(_tokens, _model.VocabularySize, _model.HiddenSize);
    }

    /// <summary>
    /// Returns the bytes per token and layer that are kept of the inputs of adapted matrices: each input once, or with dropout one for every matrix,
    /// masked, and its mask.
    /// </summary>
    private long AdaptedInputs(LoraConfiguration lora, bool attentionOnly)
    {
        lora = lora.For(_model);
        var perToken = _model.Experts?.PerToken ?? 1;
        var inputs = _linears.ToDictionary(linear => linear.Name, linear => linear.Experts > 1 ? (long)perToken * linear.Inputs : linear.Inputs);
        LayerLayout[] layers = [.. Enumerable.Range(0, _model.LayerCount).Select(layer => ModelLayout.Layer(_model, layer))];
        var attention = layers.SelectMany(layer => layer.Qkv.Append(layer.Output)).Select(linear => linear.Name).ToHashSet();
        var modules = lora.Resolve(_model).Select(target => target.Module)
            .Where(module => inputs.ContainsKey(module) && (!attentionOnly || attention.Contains(module)));
        var sharing = layers
            .SelectMany(layer => layer.Qkv.Skip(1).Select(linear => (linear.Name, First: layer.Qkv[0].Name))
                .Concat(layer.GateUp.Skip(1).Select(linear => (linear.Name, First: layer.GateUp[0].Name))))
            .ToDictionary(pair => pair.Name, pair => pair.First); // queries, keys and values share an input, and so do gate and up
        return modules.DistinctBy(module => lora.Dropout > 0 ? module : sharing.GetValueOrDefault(module, module)).Sum(module => inputs[module])
            * (lora.Dropout > 0 ? _size + 1 : _size) / _model.LayerCount;
    }

    private IEnumerable<LinearModule> Quantized => _linears.Where(linear => !linear.IsRouter);

    private long Matrices => Quantized.Sum(linear => linear.Size);
}
