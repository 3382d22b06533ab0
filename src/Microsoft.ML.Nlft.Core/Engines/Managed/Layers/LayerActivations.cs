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
    public Matrix RawQuery { get; }
    public Matrix RawKey { get; }

    /// <summary>The queries and keys after the norm and RoPE.</summary>
    public Matrix Query { get; }
    public Matrix Key { get; }
    public Matrix Value { get; }

    /// <summary>The output of attention, P V: the input of o_proj.</summary>
    public Matrix Attended { get; }

    /// <summary>log sum exp of the scores of every head.</summary>
    public Matrix LogSums { get; }

    /// <summary>The outputs of o_proj and of the feed-forward network before their norms, in a model with norms after; else null.</summary>
    public Matrix? AttentionOutput { get; }
    public Matrix? FeedForwardOutput { get; }

    /// <summary>The residual stream after attention.</summary>
    public Matrix PostAttention { get; }

    /// <summary>
    /// The outputs of the projections into the feed-forward network; the same matrix without a gate. As wide as the widest layer needs.
    /// </summary>
    public Matrix Gate { get; }
    public Matrix Up { get; }

    /// <summary>Which experts compute which tokens, in a layer that has experts; null in a model without any.</summary>
    public Routing? Routing { get; }

    /// <summary>Returns <see cref="Gate"/> and <see cref="Up"/>, as matrices of the shape that a layer needs.</summary>
    public (Matrix Gate, Matrix Up) GateAndUp(int rows, int columns) => (Gate.Rows, Gate.Columns) == (rows, columns) ? (Gate, Up)
        : (new(Gate.Data, Gate.Offset, rows, columns, columns), new(Up.Data, Up.Offset, rows, columns, columns));

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
