using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// One decoder layer: m = x + r norm'(o(attention(norm(x)))), y = m + r norm'(feedforward(norm(m))), where each norm may be missing: norm' in most
/// architectures, norm in olmo2. In a parallel layer the feed-forward network reads x: y = m + r feedforward(norm(x)).
/// </summary>
internal sealed class DecoderLayer
{
    /// <summary>The index of the layer, 0 for the lowest.</summary>
    public required int Index { get; init; }

    /// <summary>The norms before and after attention, or null.</summary>
    public INorm? AttentionNorm { get; init; }
    public INorm? AttentionOutputNorm { get; init; }
    public required QueryKeyValue Qkv { get; init; }
    public required Linear O { get; init; }

    /// <summary>d, the width of a head.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Whether queries and keys are rotated.</summary>
    public required bool IsRotated { get; init; }

    /// <summary>r, the factor on what is added to the residual stream.</summary>
    public required float ResidualMultiplier { get; init; }

    /// <summary>Whether the feed-forward network reads the input of the layer rather than what attention gave.</summary>
    public required bool IsParallel { get; init; }

    /// <summary>The norms of queries and keys, or null.</summary>
    public INorm? QueryNorm { get; init; }
    public INorm? KeyNorm { get; init; }
    public required Attention Attention { get; init; }

    /// <summary>The norms before and after the feed-forward network, or null.</summary>
    public INorm? FeedForwardNorm { get; init; }
    public INorm? FeedForwardOutputNorm { get; init; }
    public required IFeedForward FeedForward { get; init; }

    /// <summary>The linear layers, in the order of the forward pass.</summary>
    public IEnumerable<Linear> Linears => [.. Qkv.Linears, O, .. FeedForward.Linears];

    /// <summary>
    /// Whether anything from the input up to the norm of the feed-forward network is trainable: the backward pass must then reach it, even if nobody
    /// needs the gradient of the input.
    /// </summary>
    private bool IsAttentionTrainable => O.IsTrainable || Qkv.Linears.Any(linear => linear.IsTrainable)
        || IsTrained(AttentionNorm) || IsTrained(AttentionOutputNorm) || IsTrained(FeedForwardNorm);

    /// <summary>Whether any tensor of the layer is trainable.</summary>
    public bool IsTrainable => IsAttentionTrainable || Linears.Any(linear => linear.IsTrainable);

    /// <summary>Computes y[R x H] from x[N x H]; x and y must be different matrices.</summary>
    /// <param name="context">Threads, the pool of arrays and the batch.</param>
    /// <param name="rows">The R rows to compute.</param>
    /// <param name="rope">The rotary table.</param>
    /// <param name="x">The input.</param>
    /// <param name="a">Receives what the backward pass needs.</param>
    /// <param name="y">The output.</param>
    /// <param name="attention">Computes a.Attended in place of <see cref="Attention"/>; null for attention within the batch.</param>
    public void Forward(EngineContext context, QueryRows rows, RotaryRows rope, Matrix x, LayerActivations a, Matrix y,
        IWiderAttention? attention = null)
    {
        var queryContext = context with { Rows = rows };
        Project(context, queryContext, rope, x, a);
        if (attention is null) Attention.Forward(queryContext, a.Query, a.Key, a.Value, a.Attended, a.LogSums);
        else attention.Attend(queryContext, this, a);
        Complete(queryContext, x, a, y);
    }

    /// <summary>The part of <see cref="Forward"/> before attention: computes queries of R rows, and keys and values of N rows, from x.</summary>
    public void Project(EngineContext context, EngineContext queryContext, RotaryRows rope, Matrix x, LayerActivations a)
    {
        var normed = context.Rent(x.Rows, x.Columns);
        NormInput(context, AttentionNorm, x, normed);
        var queryInput = queryContext.Gather(normed);
        Qkv.Forward(context, queryContext, normed, queryInput, a.RawQuery, a.RawKey, a.Value);
        QueryNorm?.Forward(queryContext, a.RawQuery, a.Query);
        KeyNorm?.Forward(context, a.RawKey, a.Key);
        if (IsRotated)
        {
            RotaryEmbedding.Rotate(queryContext, rope, HeadSize, a.Query, 1);
            RotaryEmbedding.Rotate(context, rope, HeadSize, a.Key, 1);
        }
        if (!queryContext.Rows.IsAll) context.Return(queryInput);
        context.Return(normed);
    }

    /// <summary>The part of <see cref="Forward"/> after attention: computes y[R x H] from x[N x H] and what attention gave.</summary>
    public void Complete(EngineContext queryContext, Matrix x, LayerActivations a, Matrix y)
    {
        Matrix residual = queryContext.Gather(x), normed = queryContext.Rent(y.Rows, x.Columns);
        if (IsPlain)
        {
            O.Forward(queryContext, a.Attended, a.PostAttention, residual);
            NormInput(queryContext, FeedForwardNorm, IsParallel ? residual : a.PostAttention, normed);
            FeedForward.Forward(queryContext, normed, a, a.PostAttention, y);
        }
        else
        {
            O.Forward(queryContext, a.Attended, a.AttentionOutput ?? a.PostAttention);
            AddToResidual(queryContext, AttentionOutputNorm, a.AttentionOutput, residual, a.PostAttention);
            NormInput(queryContext, FeedForwardNorm, IsParallel ? residual : a.PostAttention, normed);
            FeedForward.Forward(queryContext, normed, a, null, a.FeedForwardOutput ?? y);
            AddToResidual(queryContext, FeedForwardOutputNorm, a.FeedForwardOutput, a.PostAttention, y);
        }
        if (!queryContext.Rows.IsAll) queryContext.Return(residual);
        queryContext.Return(normed);
    }

    /// <summary>
    /// Adds to the gradients of the trainable tensors and, unless <paramref name="dx"/> is null, computes dx[N x H] from dy[R x H]. Overwrites dy;
    /// if R = N, dx and dy may be the same matrix.
    /// </summary>
    public void Backward(EngineContext context, QueryRows rows, RotaryRows rope, Matrix x, LayerActivations a, Matrix dy, Matrix? dx)
    {
        var queryContext = context with { Rows = rows };
        var reachesAttention = dx is not null || IsAttentionTrainable;
        Matrix normed = context.Rent(dy.Rows, dy.Columns), dNormed = context.Rent(dy.Rows, dy.Columns);
        var read = IsParallel ? queryContext.Gather(x) : a.PostAttention;
        NormInput(queryContext, FeedForwardNorm, read, normed); // recomputing is cheaper than storing
        var dBranch = Branch(queryContext, FeedForwardOutputNorm, a.FeedForwardOutput, dy);
        FeedForward.Backward(queryContext, normed, a, dBranch, reachesAttention ? dNormed : null);
        ReturnBranch(context, dBranch, dy);
        if (reachesAttention)
        {
            if (!IsParallel) NormInputBackward(queryContext, FeedForwardNorm, read, dNormed, dy);
            BackwardAttention(context, queryContext, rope, x, a, dy, IsParallel ? (read, dNormed) : null, dx);
        }
        if (IsParallel && !rows.IsAll) context.Return(read);
        context.Return(normed);
        context.Return(dNormed);
    }

    private void BackwardAttention(EngineContext context, EngineContext queryContext, RotaryRows rope, Matrix x, LayerActivations a,
        Matrix dResidual, (Matrix Read, Matrix DNormed)? feedForward, Matrix? dx)
    {
        Matrix dAttended = context.Rent(dResidual.Rows, a.Attended.Columns), dq = context.Rent(dResidual.Rows, a.Query.Columns);
        Matrix dk = context.Rent(x.Rows, a.Key.Columns), dv = context.Rent(x.Rows, a.Value.Columns);
        var dBranch = Branch(queryContext, AttentionOutputNorm, a.AttentionOutput, dResidual);
        O.Backward(queryContext, a.Attended, dBranch, dAttended, accumulate: false);
        ReturnBranch(context, dBranch, dResidual);
        // A parallel feed-forward network reads what attention reads: its gradient must not pass through attention.
        if (feedForward is { } branch) NormInputBackward(queryContext, FeedForwardNorm, branch.Read, branch.DNormed, dResidual);
        Attention.Backward(queryContext, a.Query, a.Key, a.Value, a.Attended, a.LogSums, dAttended, dq, dk, dv);
        if (IsRotated)
        {
            RotaryEmbedding.Rotate(queryContext, rope, HeadSize, dq, -1);
            RotaryEmbedding.Rotate(context, rope, HeadSize, dk, -1);
        }
        QueryNorm?.Backward(queryContext, a.RawQuery, dq, dq, accumulate: false);
        KeyNorm?.Backward(context, a.RawKey, dk, dk, accumulate: false);

        Matrix normed = context.Rent(x.Rows, x.Columns), dNormed = context.Rent(x.Rows, x.Columns);
        Matrix? input = dx is null ? null : dNormed;
        NormInput(context, AttentionNorm, x, normed);
        Qkv.Backward(context, queryContext, normed, dq, dk, dv, input);
        if (dx is { } sum)
        {
            if (!queryContext.Rows.IsAll)
            {
                sum.Clear();
                queryContext.Rows.Add(dResidual, sum);
            }
            NormInputBackward(context, AttentionNorm, x, dNormed, sum);
        }
        foreach (var matrix in (ReadOnlySpan<Matrix>)[dAttended, dq, dk, dv, normed, dNormed]) context.Return(matrix);
    }

    private static bool IsTrained(INorm? norm) => norm is { IsTrainable: true };

    /// <summary>Whether no norm follows and nothing is scaled, so that a product can add to the residual stream itself.</summary>
    private bool IsPlain => AttentionOutputNorm is null && FeedForwardOutputNorm is null && ResidualMultiplier == 1;

    /// <summary>Computes y = norm(x), the input of attention or the feed-forward network; y = x without a norm.</summary>
    private static void NormInput(EngineContext context, INorm? norm, Matrix x, Matrix y)
    {
        if (norm is null) x.CopyTo(y);
        else norm.Forward(context, x, y);
    }

    /// <summary>Adds to dx what dy, the gradient of <see cref="NormInput"/>'s output, gives.</summary>
    private static void NormInputBackward(EngineContext context, INorm? norm, Matrix x, Matrix dy, Matrix dx)
    {
        if (norm is not null) norm.Backward(context, x, dy, dx, accumulate: true);
        else context.ForRows(dx.Rows, (dy, dx), static (loop, row) => VectorMath.Add(loop.dy[row], loop.dx[row]));
    }

    /// <summary>Computes y = residual + r norm(output), or y = residual + r y without a norm.</summary>
    private void AddToResidual(EngineContext context, INorm? norm, Matrix? output, Matrix residual, Matrix y)
    {
        if (output is { } raw) norm!.Forward(context, raw, y);
        context.ForRows(y.Rows, (residual, y, scale: ResidualMultiplier), static (loop, row) =>
        {
            VectorMath.Scale(loop.y[row], loop.scale);
            VectorMath.Add(loop.residual[row], loop.y[row]);
        });
    }

    /// <summary>Returns the gradient of o_proj's or the feed-forward network's output: dy itself, or a rented matrix.</summary>
    private Matrix Branch(EngineContext context, INorm? norm, Matrix? output, Matrix dy)
    {
        if (IsPlain) return dy;
        var branch = context.Rent(dy.Rows, dy.Columns);
        context.ForRows(dy.Rows, (dy, branch, scale: ResidualMultiplier), static (loop, row) =>
        {
            loop.dy[row].CopyTo(loop.branch[row]);
            VectorMath.Scale(loop.branch[row], loop.scale);
        });
        if (output is { } raw) norm!.Backward(context, raw, branch, branch, accumulate: false);
        return branch;
    }

    private static void ReturnBranch(EngineContext context, Matrix branch, Matrix dy)
    {
        if (!ReferenceEquals(branch.Data, dy.Data)) context.Return(branch);
    }
}

/// <summary>Attention with keys and values of other rows than those of the batch alone.</summary>
internal interface IWiderAttention
{
    /// <summary>Computes a.Attended from a.Query, a.Key and a.Value.</summary>
    void Attend(EngineContext context, DecoderLayer layer, LayerActivations a);
}
