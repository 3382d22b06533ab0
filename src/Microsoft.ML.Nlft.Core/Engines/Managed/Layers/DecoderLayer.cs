using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>One decoder layer: m = x + o(attention(norm(x))), y = m + feedforward(norm(m)).</summary>
internal sealed class DecoderLayer
{
    /// <summary>Number of layers below.</summary>
    public required int Index { get; init; }
    public required RmsNorm InputNorm { get; init; }
    public required Linear Q { get; init; }
    public required Linear K { get; init; }
    public required Linear V { get; init; }
    public required Linear O { get; init; }

    /// <summary>The per-head norms of queries and keys (qwen3), or null.</summary>
    public RmsNorm? QueryNorm { get; init; }
    public RmsNorm? KeyNorm { get; init; }
    public required Attention Attention { get; init; }
    public required RmsNorm MiddleNorm { get; init; }
    public required FeedForward FeedForward { get; init; }

    /// <summary>The seven linear layers.</summary>
    public IEnumerable<Linear> Linears => [Q, K, V, O, FeedForward.Gate, FeedForward.Up, FeedForward.Down];

    /// <summary>Whether anything up to the attention has a gradient, so that it must be reached even when the input's is not asked for.</summary>
    private bool IsAttentionTrainable => Q.IsTrainable || K.IsTrainable || V.IsTrainable || O.IsTrainable || InputNorm.Weight.Parameter is not null || MiddleNorm.Weight.Parameter is not null;

    /// <summary>Whether anything has a gradient.</summary>
    public bool IsTrainable => IsAttentionTrainable || Linears.Any(linear => linear.IsTrainable);

    /// <summary>y[R x H] from x[N x H], for the rows that are asked for; x and y may not be the same matrix.</summary>
    /// <param name="context">Threads, arrays, batch.</param>
    /// <param name="rows">The R rows that are computed.</param>
    /// <param name="rope">The rotary table.</param>
    /// <param name="x">The input.</param>
    /// <param name="a">Filled for the backward pass.</param>
    /// <param name="y">The output.</param>
    /// <param name="attention">Computes a.Attended from a.Query, a.Key and a.Value instead of <see cref="Attention"/>.</param>
    public void Forward(EngineContext context, QueryRows rows, RotaryEmbedding rope, Matrix x, LayerActivations a, Matrix y, IAttend? attention = null)
    {
        var asked = context with { Rows = rows };
        var normed = context.Rent(x.Rows, x.Columns);
        InputNorm.Forward(context, x, normed);
        Matrix queryInput = Pick(asked, normed), residual = Pick(asked, x);
        if (rows.IsAll) Linear.Forward(context, normed, (K, a.RawKey), (V, a.Value), (Q, a.RawQuery));
        else
        {
            Linear.Forward(context, normed, (K, a.RawKey), (V, a.Value));
            Q.Forward(asked, queryInput, a.RawQuery);
        }
        QueryNorm?.Forward(asked, a.RawQuery, a.Query);
        KeyNorm?.Forward(context, a.RawKey, a.Key);
        rope.Rotate(asked, a.Query, 1);
        rope.Rotate(context, a.Key, 1);
        if (attention is null) Attention.Forward(asked, a.Query, a.Key, a.Value, a.Attended, a.LogSums);
        else attention.Attend(asked, this, a);
        O.Forward(asked, a.Attended, a.Middle, residual);
        MiddleNorm.Forward(asked, a.Middle, queryInput);
        FeedForward.Forward(asked, queryInput, a.Gate, a.Up, a.Middle, y);
        if (!rows.IsAll)
        {
            context.Return(queryInput);
            context.Return(residual);
        }
        context.Return(normed);
    }

    /// <summary>
    /// Adds to the gradients of what is trainable, and computes dx[N x H] from dy[R x H] unless <paramref name="dx"/> is null. dy is overwritten;
    /// with all rows dx and dy may be the same matrix.
    /// </summary>
    public void Backward(EngineContext context, QueryRows rows, RotaryEmbedding rope, Matrix x, LayerActivations a, Matrix dy, Matrix? dx)
    {
        var asked = context with { Rows = rows };
        var through = dx is not null || IsAttentionTrainable;
        Matrix normed = context.Rent(dy.Rows, dy.Columns), dNormed = context.Rent(dy.Rows, dy.Columns);
        MiddleNorm.Forward(asked, a.Middle, normed); // again: cheaper than to keep
        FeedForward.Backward(asked, normed, a.Gate, a.Up, dy, through ? dNormed : null);
        if (through)
        {
            MiddleNorm.Backward(asked, a.Middle, dNormed, dy, accumulate: true);
            BackwardAttention(context, asked, rope, x, a, dy, dx);
        }
        context.Return(normed);
        context.Return(dNormed);
    }

    private void BackwardAttention(EngineContext context, EngineContext asked, RotaryEmbedding rope, Matrix x, LayerActivations a, Matrix dMiddle, Matrix? dx)
    {
        Matrix dAttended = context.Rent(dMiddle.Rows, a.Attended.Columns), dq = context.Rent(dMiddle.Rows, a.Query.Columns);
        Matrix dk = context.Rent(x.Rows, a.Key.Columns), dv = context.Rent(x.Rows, a.Value.Columns);
        O.Backward(asked, a.Attended, dMiddle, dAttended, accumulate: false);
        Attention.Backward(asked, a.Query, a.Key, a.Value, a.Attended, a.LogSums, dAttended, dq, dk, dv);
        rope.Rotate(asked, dq, -1);
        rope.Rotate(context, dk, -1);
        QueryNorm?.Backward(asked, a.RawQuery, dq, dq, accumulate: false);
        KeyNorm?.Backward(context, a.RawKey, dk, dk, accumulate: false);

        Matrix normed = context.Rent(x.Rows, x.Columns), dNormed = context.Rent(x.Rows, x.Columns);
        Matrix? wanted = dx is null ? null : dNormed;
        InputNorm.Forward(context, x, normed);
        K.Backward(context, normed, dk, wanted, accumulate: false);
        V.Backward(context, normed, dv, wanted, accumulate: true);
        if (asked.Rows.IsAll) Q.Backward(context, normed, dq, wanted, accumulate: true);
        else
        {
            Matrix queryInput = Pick(asked, normed), dQueryInput = context.Rent(dMiddle.Rows, x.Columns);
            Q.Backward(asked, queryInput, dq, dx is null ? null : dQueryInput, accumulate: false);
            if (dx is { } spread)
            {
                AddAt(asked.Rows, dQueryInput, dNormed);
                spread.Clear();
                AddAt(asked.Rows, dMiddle, spread);
            }
            context.Return(queryInput);
            context.Return(dQueryInput);
        }
        if (dx is { } sum) InputNorm.Backward(context, x, dNormed, sum, accumulate: true);
        foreach (var matrix in (ReadOnlySpan<Matrix>)[dAttended, dq, dk, dv, normed, dNormed]) context.Return(matrix);
    }

    /// <summary>The rows that are asked for: the matrix itself when these are all, else a rented copy.</summary>
    private static Matrix Pick(EngineContext asked, Matrix x)
    {
        if (asked.Rows.IsAll) return x;
        var picked = asked.Rent(asked.Rows.Rows, x.Columns);
        for (var row = 0; row < picked.Rows; row++) x[asked.Rows.InBatch(row)].CopyTo(picked[row]);
        return picked;
    }

    /// <summary>Adds rows [R x H] to the rows of x[N x H] that they are.</summary>
    private static void AddAt(QueryRows rows, Matrix values, Matrix x)
    {
        for (var row = 0; row < values.Rows; row++) VectorMath.Add(values[row], x[rows.InBatch(row)]);
    }
}

/// <summary>Another way to attend than within the batch: over the key/value caches of decoding.</summary>
internal interface IAttend
{
    /// <summary>Computes a.Attended from a.Query, a.Key and a.Value.</summary>
    void Attend(EngineContext context, DecoderLayer layer, LayerActivations a);
}
