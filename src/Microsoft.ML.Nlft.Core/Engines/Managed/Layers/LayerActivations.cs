using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// What the backward pass of one decoder layer reads, beside the layer's input; norms and the activation of the feed-forward are computed again
/// there, which costs next to nothing. N rows of keys and values, R of everything else.
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
        (Attended, LogSums, Middle) = (context.Rent(rows, queries), context.Rent(rows, c.HeadCount), context.Rent(rows, c.HiddenSize));
        (Gate, Up) = (context.Rent(rows, c.IntermediateSize), context.Rent(rows, c.IntermediateSize));
    }

    /// <summary>Bytes for a number of rows, all of them queries.</summary>
    public static long Size(ModelConfiguration c, int rows)
    {
        long queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        return sizeof(float) * rows * (2 * queries + 2 * keys + (c.QueryKeyNorm ? queries + keys : 0) + c.HeadCount + c.HiddenSize + 2L * c.IntermediateSize);
    }

    /// <summary>Projections before the query/key norm; the same matrices as Query and Key where there is none.</summary>
    public Matrix RawQuery { get; }
    public Matrix RawKey { get; }

    /// <summary>After the norm and RoPE.</summary>
    public Matrix Query { get; }
    public Matrix Key { get; }
    public Matrix Value { get; }

    /// <summary>P V, the input of o_proj.</summary>
    public Matrix Attended { get; }

    /// <summary>log sum exp of every head's scores.</summary>
    public Matrix LogSums { get; }

    /// <summary>x + attention.</summary>
    public Matrix Middle { get; }
    public Matrix Gate { get; }
    public Matrix Up { get; }

    public void Dispose()
    {
        foreach (var matrix in (ReadOnlySpan<Matrix>)[Query, Key, Value, Attended, LogSums, Middle, Gate, Up]) _context.Return(matrix);
        if (RawQuery.Data == Query.Data) return;
        _context.Return(RawQuery);
        _context.Return(RawKey);
    }
}
