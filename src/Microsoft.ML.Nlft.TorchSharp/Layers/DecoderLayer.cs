using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// One decoder layer: m = x + r o(attention(norm(x))), y = m + r feedforward(norm(m)); with norms after, m = x + r norm(o(attention(x))) and
/// y = m + r norm(feedforward(m)).
/// </summary>
internal sealed class DecoderLayer(int index, ModelConfiguration configuration)
{
    // Fields: temporary scalars could be collected during the native call.
    private readonly Scalar _residualMultiplier = configuration.ResidualMultiplier;
    private readonly Scalar _queryMultiplier = (configuration.AttentionMultiplier ?? 0) * Math.Sqrt(configuration.HeadSize);

    public required RmsNorm AttentionNorm { get; init; }

    /// <summary>The projections to queries, keys and values; a single one gives all three.</summary>
    public required IReadOnlyList<Linear> Qkv { get; init; }
    public required Linear O { get; init; }

    /// <summary>The norms of queries and keys, or null.</summary>
    public RmsNorm? QueryNorm { get; init; }
    public RmsNorm? KeyNorm { get; init; }
    public required RmsNorm FeedForwardNorm { get; init; }

    /// <summary>The projections to gate and up; a single one gives both.</summary>
    public required IReadOnlyList<Linear> GateUp { get; init; }
    public required Linear Down { get; init; }

    /// <summary>The linear layers, in the order of the forward pass.</summary>
    public IEnumerable<Linear> Linears => [.. Qkv, O, .. GateUp, Down];

    /// <summary>
    /// Computes y[N, H] from x[N, H] or, if <paramref name="rows"/> names R rows, y[R, H] of these: keys and values are computed for all rows,
    /// everything else for these.
    /// </summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var middle = (rows is null ? x : x.index_select(0, rows)) + Branch(Attend(context, x, rows), AttentionNorm);
        return (middle + Branch(FeedForward(context, middle, rows), FeedForwardNorm)).MoveToOuterDisposeScope();
    }

    /// <summary>What attention or the feed-forward network adds to the residual stream.</summary>
    private Tensor Branch(Tensor output, RmsNorm norm)
    {
        if (configuration.NormAfter) output = norm.Forward(output);
        return configuration.ResidualMultiplier == 1 ? output : output * _residualMultiplier;
    }

    private Tensor Attend(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var normed = configuration.NormAfter ? x : AttentionNorm.Forward(x);
        var (query, key, value) = Project(context, normed);
        var (q, k, v) = (Rotated(context, Norm(query, QueryNorm)), Rotated(context, Norm(key, KeyNorm)), Heads(value));
        if (configuration.AttentionMultiplier is not null) q = q * _queryMultiplier;
        var attended = context.Attend(index, q, k, v);
        return O.Forward(context, rows is null ? attended : attended.index_select(0, rows), rows).MoveToOuterDisposeScope();
    }

    /// <summary>Queries [N, heads d], keys and values [N, kvHeads d].</summary>
    private (Tensor Query, Tensor Key, Tensor Value) Project(PassContext context, Tensor normed)
    {
        var first = Qkv[0].Forward(context, normed);
        if (Qkv is [_, var key, var value]) return (first, key.Forward(context, normed), value.Forward(context, normed));
        int d = configuration.HeadSize, queries = configuration.HeadCount * d, keys = configuration.KeyValueHeadCount * d;
        if (configuration.QkvLayout == QkvLayout.Blocks)
            return (first.narrow(-1, 0, queries), first.narrow(-1, queries, keys), first.narrow(-1, queries + keys, keys));
        var heads = first.view([first.shape[0], -1, 3, d]);
        return (heads.select(2, 0).flatten(1), heads.select(2, 1).flatten(1), heads.select(2, 2).flatten(1));
    }

    /// <summary>SwiGLU (Shazeer, arXiv 2002.05202).</summary>
    private Tensor FeedForward(PassContext context, Tensor middle, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var normed = configuration.NormAfter ? middle : FeedForwardNorm.Forward(middle);
        var (first, width) = (GateUp[0].Forward(context, normed, rows), configuration.IntermediateSize);
        var (gate, up) = GateUp is [_, var second] ? (first, second.Forward(context, normed, rows))
            : (first.narrow(-1, 0, width), first.narrow(-1, width, width));
        var activated = functional.silu(gate) * up;
        return Down.Forward(context, activated, rows).MoveToOuterDisposeScope();
    }

    /// <summary>Normalises queries or keys, all heads of a row together or each head by itself: [N, heads, d] from [N, heads d].</summary>
    private Tensor Norm(Tensor x, RmsNorm? norm) =>
        norm is null ? Heads(x) : configuration.NormAfter ? Heads(norm.Forward(x)) : norm.Forward(Heads(x));

    private Tensor Rotated(PassContext context, Tensor x) =>
        configuration.RotatedLayers?[index] != false ? RotaryEmbedding.Rotate(x, context.Rotation) : x;

    /// <summary>[N, heads, d] from [N, heads d].</summary>
    private Tensor Heads(Tensor x) => x.reshape([x.shape[0], -1, configuration.HeadSize]);
}
