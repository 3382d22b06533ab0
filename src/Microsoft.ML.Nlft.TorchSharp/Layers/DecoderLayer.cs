using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// One decoder layer: m = x + r norm'(o(attention(norm(x)))), y = m + r norm'(feedforward(norm(m))), where each norm may be missing: norm' in most
/// architectures, norm in olmo2. In a parallel layer the feed-forward network reads x: y = m + r feedforward(norm(x)).
/// </summary>
internal sealed class DecoderLayer(int index, ModelConfiguration configuration)
{
    // Fields: temporary scalars could be collected during the native call.
    private readonly Scalar _residualMultiplier = configuration.ResidualMultiplier;
    private readonly Scalar _queryMultiplier = (configuration.AttentionMultiplier ?? 0) * Math.Sqrt(configuration.HeadSize);

    /// <summary>The norms before and after attention, or null.</summary>
    public INorm? AttentionNorm { get; init; }
    public INorm? AttentionOutputNorm { get; init; }

    /// <summary>The projections to queries, keys and values; a single one gives all three.</summary>
    public required IReadOnlyList<Linear> Qkv { get; init; }
    public required Linear O { get; init; }

    /// <summary>The norms of queries and keys, or null.</summary>
    public INorm? QueryNorm { get; init; }
    public INorm? KeyNorm { get; init; }

    /// <summary>The norms before and after the feed-forward network, or null.</summary>
    public INorm? FeedForwardNorm { get; init; }
    public INorm? FeedForwardOutputNorm { get; init; }
    public required IFeedForward FeedForward { get; init; }

    /// <summary>The linear layers in the order of the forward pass, except those of experts.</summary>
    public IEnumerable<Linear> Linears => [.. Qkv, O, .. FeedForward.Linears];

    /// <summary>Whether any linear layer is trainable.</summary>
    public bool IsTrainable => FeedForward.IsTrainable || Linears.Any(linear => linear.IsTrainable);

    /// <summary>
    /// Computes y[N, H] from x[N, H] or, if <paramref name="rows"/> names R rows, y[R, H] of these: keys and values are computed for all rows,
    /// everything else for these.
    /// </summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var residual = rows is null ? x : x.index_select(0, rows);
        var middle = residual.Plus(Branch(Attend(context, x, rows), AttentionOutputNorm));
        var read = configuration.ParallelResidual ? residual : middle;
        if (FeedForwardNorm is not null) read = FeedForwardNorm.Forward(read);
        return middle.Plus(Branch(FeedForward.Forward(context, read, rows), FeedForwardOutputNorm)).MoveToOuterDisposeScope();
    }

    /// <summary>What attention or the feed-forward network adds to the residual stream.</summary>
    private Tensor Branch(Tensor output, INorm? norm)
    {
        if (norm is not null) output = norm.Forward(output);
        return configuration.ResidualMultiplier == 1 ? output : output * _residualMultiplier;
    }

    private Tensor Attend(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var (query, key, value) = Project(context, AttentionNorm is null ? x : AttentionNorm.Forward(x));
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

    /// <summary>Normalises queries or keys, all heads of a row together or each head by itself: [N, heads, d] from [N, heads d].</summary>
    private Tensor Norm(Tensor x, INorm? norm) =>
        norm is null ? Heads(x) : configuration.Norms == NormPlacement.After ? Heads(norm.Forward(x)) : norm.Forward(Heads(x));

    private Tensor Rotated(PassContext context, Tensor x) =>
        !configuration.IsRotated(index) ? x
        : RotaryEmbedding.Rotate(x, (configuration.SlidingWindows[index] > 0 ? context.SlidingRotation : null) ?? context.Rotation);

    /// <summary>[N, heads, d] from [N, heads d].</summary>
    private Tensor Heads(Tensor x) => x.reshape([x.shape[0], -1, configuration.HeadSize]);
}
