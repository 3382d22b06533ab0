using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;
using Approximation = TorchSharp.Modules.GELU.Approximate;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// One decoder layer: m = x + r norm'(o(attention(norm(x)))), y = m + r norm'(feedforward(norm(m))), where each norm may be missing: norm' in most
/// architectures, norm in olmo2.
/// </summary>
internal sealed class DecoderLayer(int index, ModelConfiguration configuration)
{
    // Fields: temporary scalars could be collected during the native call.
    private readonly Scalar _residualMultiplier = configuration.ResidualMultiplier;
    private readonly Scalar _queryMultiplier = (configuration.AttentionMultiplier ?? 0) * Math.Sqrt(configuration.HeadSize);

    /// <summary>The norms before and after attention, or null.</summary>
    public RmsNorm? AttentionNorm { get; init; }
    public RmsNorm? AttentionOutputNorm { get; init; }
    public required Linear Q { get; init; }
    public required Linear K { get; init; }
    public required Linear V { get; init; }
    public required Linear O { get; init; }

    /// <summary>The norms of queries and keys, or null.</summary>
    public RmsNorm? QueryNorm { get; init; }
    public RmsNorm? KeyNorm { get; init; }

    /// <summary>The norms before and after the feed-forward network, or null.</summary>
    public RmsNorm? FeedForwardNorm { get; init; }
    public RmsNorm? FeedForwardOutputNorm { get; init; }
    public required Linear Gate { get; init; }
    public required Linear Up { get; init; }
    public required Linear Down { get; init; }

    /// <summary>The seven linear layers.</summary>
    public IEnumerable<Linear> Linears => [Q, K, V, O, Gate, Up, Down];

    /// <summary>
    /// Computes y[N, H] from x[N, H] or, if <paramref name="rows"/> names R rows, y[R, H] of these: keys and values are computed for all rows,
    /// everything else for these.
    /// </summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var middle = (rows is null ? x : x.index_select(0, rows)) + Branch(Attend(context, x, rows), AttentionOutputNorm);
        return (middle + Branch(FeedForward(context, middle, rows), FeedForwardOutputNorm)).MoveToOuterDisposeScope();
    }

    /// <summary>What attention or the feed-forward network adds to the residual stream.</summary>
    private Tensor Branch(Tensor output, RmsNorm? norm)
    {
        if (norm is not null) output = norm.Forward(output);
        return configuration.ResidualMultiplier == 1 ? output : output * _residualMultiplier;
    }

    private Tensor Attend(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var normed = AttentionNorm is null ? x : AttentionNorm.Forward(x);
        var q = Rotated(context, Norm(Q.Forward(context, normed), QueryNorm));
        var k = Rotated(context, Norm(K.Forward(context, normed), KeyNorm));
        var v = Heads(V.Forward(context, normed));
        if (configuration.AttentionMultiplier is not null) q = q * _queryMultiplier;
        var attended = context.Attend(index, q, k, v);
        return O.Forward(context, rows is null ? attended : attended.index_select(0, rows), rows).MoveToOuterDisposeScope();
    }

    /// <summary>A gated feed-forward network (Shazeer, arXiv 2002.05202).</summary>
    private Tensor FeedForward(PassContext context, Tensor middle, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var normed = FeedForwardNorm is null ? middle : FeedForwardNorm.Forward(middle);
        var activated = Activate(Gate.Forward(context, normed, rows)) * Up.Forward(context, normed, rows);
        return Down.Forward(context, activated, rows).MoveToOuterDisposeScope();
    }

    private Tensor Activate(Tensor x) => configuration.Activation switch
    {
        Activation.Silu => functional.silu(x),
        Activation.Gelu => x.gelu(),
        Activation.GeluTanh => x.gelu(Approximation.tanh),
        var other => throw new ArgumentOutOfRangeException(nameof(x), other, null),
    };

    /// <summary>Normalises queries or keys, all heads of a row together or each head by itself: [N, heads, d] from [N, heads d].</summary>
    private Tensor Norm(Tensor x, RmsNorm? norm) =>
        norm is null ? Heads(x) : configuration.Norms == NormPlacement.After ? Heads(norm.Forward(x)) : norm.Forward(Heads(x));

    private Tensor Rotated(PassContext context, Tensor x) =>
        configuration.RotatedLayers?[index] == false ? x
        : RotaryEmbedding.Rotate(x, (configuration.SlidingWindows[index] > 0 ? context.SlidingRotation : null) ?? context.Rotation);

    /// <summary>[N, heads, d] from [N, heads d].</summary>
    private Tensor Heads(Tensor x) => x.view([x.shape[0], -1, configuration.HeadSize]);
}
