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

    /// <summary>Whether <see cref="Backward"/> differentiates the feed-forward network; see <see cref="MayBeByHand"/>.</summary>
    public bool IsByHand { get; init; }

    /// <summary>
    /// Returns whether the feed-forward networks of a model can be differentiated by hand: y = m + feedforward(norm(m)), all weights frozen, adapted
    /// by A and B alone, if at all.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="lora">The adapter that is trained; null: all weights are.</param>
    public static bool MayBeByHand(ModelConfiguration model, LoraConfiguration? lora) =>
        lora is { UseDora: false, LoraBias: false, Bias: TrainedBiases.None }
        && model is { Experts: null, Norms: NormPlacement.Before, ParallelResidual: false, ResidualMultiplier: 1 };

    /// <summary>
    /// Computes y[N, H] from x[N, H] or, if <paramref name="rows"/> names R rows, y[R, H] of these: keys and values are computed for all rows,
    /// everything else for these.
    /// </summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var residual = Taken(x, rows);
        var middle = AddAttention(context, x, residual, rows);
        var read = Normed(configuration.ParallelResidual ? residual : middle);
        return Add(middle, FeedForwardOutputNorm, sum => FeedForward.Forward(context, read, rows, sum)).MoveToOuterDisposeScope();
    }

    /// <summary>Computes m[N, H], or [R, H], from x[N, H].</summary>
    public Tensor AddAttention(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        return AddAttention(context, x, Taken(x, rows), rows).MoveToOuterDisposeScope();
    }

    private Tensor AddAttention(PassContext context, Tensor x, Tensor residual, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var attended = Attend(context, x, rows);
        return Add(residual, AttentionOutputNorm, sum => O.Forward(context, attended, rows, sum)).MoveToOuterDisposeScope();
    }

    /// <summary>Computes gate and up of the feed-forward network from m.</summary>
    public Tensor[] GateUp(PassContext context, Tensor m, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        return Array.ConvertAll(Plain.GateUp(context, Normed(m), rows), product => product.MoveToOuterDisposeScope());
    }

    /// <summary>Computes y from m and what <see cref="GateUp"/> returned.</summary>
    public Tensor AddDown(PassContext context, Tensor m, Tensor[] products, Tensor? rows) => Plain.Down(context, products, rows, m);

    /// <summary>
    /// Adds the gradients of the feed-forward network's adapters and returns dm, or dy if dm is not needed. The norm is computed once more.
    /// </summary>
    public Tensor Backward(PassContext context, Tensor m, Tensor[] products, Tensor dy, Tensor? rows, bool needed)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var leaf = m.requires_grad_(needed);
        Tensor read;
        using (set_grad_enabled(needed)) read = Normed(leaf);
        var dread = Plain.Backward(context, read.detach(), products, dy, rows, needed);
        if (!needed) return dy.alias().MoveToOuterDisposeScope();
        if (FeedForwardNorm is null) return dy.Plus(dread!).MoveToOuterDisposeScope();
        read.backward([dread!]);
        return dy.Plus(leaf.grad!).MoveToOuterDisposeScope();
    }

    private FeedForward Plain => (FeedForward)FeedForward;

    private Tensor Normed(Tensor m) => FeedForwardNorm is null ? m : FeedForwardNorm.Forward(m);

    /// <summary>
    /// Adds what attention or the feed-forward network computes to the residual stream; the branch itself adds to what it is given, if it can.
    /// </summary>
    private Tensor Add(Tensor residual, INorm? norm, Func<Tensor?, Tensor> branch)
    {
        if (norm is null && configuration.ResidualMultiplier == 1) return branch(residual);
        var output = norm is null ? branch(null) : norm.Forward(branch(null));
        return residual.Plus(configuration.ResidualMultiplier == 1 ? output : output * _residualMultiplier);
    }

    /// <summary>The heads' outputs [N, heads d], or [R, heads d] of some rows.</summary>
    private Tensor Attend(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = Project(context, AttentionNorm is null ? x : AttentionNorm.Forward(x));
        if (configuration.AttentionMultiplier is not null) q = q * _queryMultiplier;
        var attended = context.Attend(index, q, k, v);
        return Taken(attended, rows).MoveToOuterDisposeScope();
    }

    /// <summary>Queries [N, heads, d], keys and values [N, kvHeads, d], normalised and rotated.</summary>
    private (Tensor Query, Tensor Key, Tensor Value) Project(PassContext context, Tensor normed)
    {
        int heads = configuration.HeadCount, others = configuration.KeyValueHeadCount, size = configuration.HeadSize;
        var first = Qkv[0].Forward(context, normed);
        if (Qkv is [_, var second, var third])
            return Positioned(first, second.Forward(context, normed), third.Forward(context, normed));
        if (configuration.QkvLayout == QkvLayout.ByHead)
        {
            var all = first.view([first.shape[0], heads, 3, size]);
            return Positioned(all.select(2, 0).flatten(1), all.select(2, 1).flatten(1), all.select(2, 2).flatten(1));
        }
        if (QueryNorm is not null || KeyNorm is not null)
        {
            var parts = first.split([heads * size, others * size, others * size], 1);
            return Positioned(parts[0], parts[1], parts[2]);
        }
        var values = Heads(first).split([heads + others, others], 1); // queries and keys, which are rotated at once, and values
        var rotated = Rotated(context, values[0]).split([heads, others], 1);
        return (rotated[0], rotated[1], values[1]);

        (Tensor, Tensor, Tensor) Positioned(Tensor query, Tensor key, Tensor value) =>
            (Rotated(context, Norm(query, QueryNorm)), Rotated(context, Norm(key, KeyNorm)), Heads(value));
    }

    /// <summary>Normalises queries or keys, all heads of a row together or each head by itself: [N, heads, d] from [N, heads d].</summary>
    private Tensor Norm(Tensor x, INorm? norm) =>
        norm is null ? Heads(x) : configuration.Norms == NormPlacement.After ? Heads(norm.Forward(x)) : norm.Forward(Heads(x));

    private Tensor Rotated(PassContext context, Tensor x) =>
        !configuration.IsRotated(index) ? x
        : RotaryEmbedding.Rotate(x, (configuration.SlidingWindows[index] > 0 ? context.SlidingRotation : null) ?? context.Rotation);

    /// <summary>The rows that are named, or all.</summary>
    private static Tensor Taken(Tensor x, Tensor? rows) => rows is null ? x : x.index_select(0, rows);

    /// <summary>[N, heads, d] from [N, heads d].</summary>
    private Tensor Heads(Tensor x) => x.reshape([x.shape[0], -1, configuration.HeadSize]);
}
