using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The activations that the backward pass of one decoder layer reads, besides the layer's input. Norms and the activation of the feed-forward
/// network are recomputed there at little cost. Keys and values have N rows, everything else R.
/// </summary>
internal sealed class LayerActivations : IDisposable
{
    private readonly EngineContext _context;

    /// <summary>Rents nothing: a view, which <see cref="Show"/> sets.</summary>
    public LayerActivations() { }

    public LayerActivations(EngineContext context, ModelConfiguration c, int rows)
    {
        _context = context;
        int n = context.Batch.Rows, queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        (Query, Key, Value) = (context.Rent(rows, queries), context.Rent(n, keys), context.Rent(n, keys));
        (RawQuery, RawKey) = c.QueryKeyNorm ? (context.Rent(rows, queries), context.Rent(n, keys)) : (Query, Key);
        (Attended, LogSums, PostAttention) = (context.Rent(rows, queries), context.Rent(rows, c.HeadCount), context.Rent(rows, c.HiddenSize));
        (Gate, Up) = FeedForward.RentOutputs(context, rows, c.FeedForwardWidth, c.FeedForwardLayout);
        if (c.Experts is { } experts) Routing = new Routing(context, experts, rows);
        if (c.Norms != NormPlacement.Before)
            (AttentionOutput, FeedForwardOutput) = (context.Rent(rows, c.HiddenSize), context.Rent(rows, c.HiddenSize));
    }

    /// <summary>Returns the bytes of the activations of <paramref name="rows"/> rows, with R = N.</summary>
    public static long Size(ModelConfiguration c, int rows)
    {
        long queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        var attention = 2 * queries + 2 * keys + (c.QueryKeyNorm ? queries + keys : 0) + c.HeadCount;
        var routing = c.Experts is { } experts ? experts.Count + 5 * experts.PerToken : 0;
        return sizeof(float) * rows * (attention + (c.Norms == NormPlacement.Before ? 1 : 3) * c.HiddenSize
            + (c.FeedForwardLayout == FeedForwardLayout.UpOnly ? 1L : 2L) * c.FeedForwardWidth + routing);
    }

    /// <summary>The projections before the query/key norm; the same matrices as Query and Key in a model without one.</summary>
    public Matrix RawQuery { get; private set; }
    public Matrix RawKey { get; private set; }

    /// <summary>The queries and keys after the norm and RoPE.</summary>
    public Matrix Query { get; private set; }
    public Matrix Key { get; private set; }
    public Matrix Value { get; private set; }

    /// <summary>The output of attention, P V: the input of o_proj.</summary>
    public Matrix Attended { get; private set; }

    /// <summary>log sum exp of the scores of every head.</summary>
    public Matrix LogSums { get; private set; }

    /// <summary>The outputs of o_proj and of the feed-forward network before their norms, in a model with norms after; else null.</summary>
    public Matrix? AttentionOutput { get; private set; }
    public Matrix? FeedForwardOutput { get; private set; }

    /// <summary>The residual stream after attention.</summary>
    public Matrix PostAttention { get; private set; }

    /// <summary>
    /// The outputs of the projections into the feed-forward network; the same matrix without a gate. As wide as the widest layer needs.
    /// </summary>
    public Matrix Gate { get; private set; }
    public Matrix Up { get; private set; }

    /// <summary>Which experts compute which tokens, in a layer that has experts; null in a model without any.</summary>
    public Routing? Routing { get; }

    /// <summary>Returns <see cref="Gate"/> and <see cref="Up"/>, as matrices of the shape that a layer needs.</summary>
    public (Matrix Gate, Matrix Up) GateAndUp(int rows, int columns) => (Gate.Rows, Gate.Columns) == (rows, columns) ? (Gate, Up)
        : (new(Gate.Data, Gate.Offset, rows, columns, columns), new(Up.Data, Up.Offset, rows, columns, columns));

    /// <summary>Makes this a view of some rows of another set, in a model without experts.</summary>
    /// <param name="all">The other set.</param>
    /// <param name="first">The first of <paramref name="rows"/> keys and values.</param>
    /// <param name="rows">Keys and values.</param>
    /// <param name="firstQuery">The first of <paramref name="queries"/> rows of everything else.</param>
    /// <param name="queries">Rows of everything else.</param>
    public void Show(LayerActivations all, int first, int rows, int firstQuery, int queries)
    {
        (RawKey, Key, Value) = (all.RawKey.RowRange(first, rows), all.Key.RowRange(first, rows), all.Value.RowRange(first, rows));
        (RawQuery, Query) = (all.RawQuery.RowRange(firstQuery, queries), all.Query.RowRange(firstQuery, queries));
        (Attended, LogSums) = (all.Attended.RowRange(firstQuery, queries), all.LogSums.RowRange(firstQuery, queries));
        PostAttention = all.PostAttention.RowRange(firstQuery, queries);
        (Gate, Up) = (all.Gate.RowRange(firstQuery, queries), all.Up.RowRange(firstQuery, queries));
        (AttentionOutput, FeedForwardOutput) =
            (all.AttentionOutput?.RowRange(firstQuery, queries), all.FeedForwardOutput?.RowRange(firstQuery, queries));
    }

    /// <summary>Has queries, keys and values in other matrices.</summary>
    public void Place(Matrix query, Matrix key, Matrix value)
    {
        if (RawQuery == Query) (RawQuery, RawKey) = (query, key);
        (Query, Key, Value) = (query, key, value);
    }

    public void Dispose()
    {
        foreach (var matrix in (ReadOnlySpan<Matrix>)[Query, Key, Value, Attended, LogSums, PostAttention]) _context.Return(matrix);
        FeedForward.ReturnPair(_context, Gate, Up);
        if (Routing is { } routing) _context.Return(routing.Probabilities);
        if (AttentionOutput is { } attention) _context.Return(attention);
        if (FeedForwardOutput is { } feedForward) _context.Return(feedForward);
        if (RawQuery.Data == Query.Data) return;
        _context.Return(RawQuery);
        _context.Return(RawKey);
    }
}
