using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>What the backward pass of one decoder layer reads: N rows each, in the order in which the forward pass fills them.</summary>
internal sealed class LayerActivations : IDisposable
{
    private readonly EngineContext _context;

    public LayerActivations(EngineContext context, ModelConfiguration c)
    {
        _context = context;
        var n = context.Batch.Rows;
        int queries = c.HeadCount * c.HeadSize, keys = c.KeyValueHeadCount * c.HeadSize;
        (Normed, Query, Key, Value) = (context.Rent(n, c.HiddenSize), context.Rent(n, queries), context.Rent(n, keys), context.Rent(n, keys));
        if (c.QueryKeyNorm) (RawQuery, RawKey) = (context.Rent(n, queries), context.Rent(n, keys));
        else (RawQuery, RawKey) = (Query, Key);
        (Attended, Middle, MiddleNormed) = (context.Rent(n, queries), context.Rent(n, c.HiddenSize), context.Rent(n, c.HiddenSize));
        (Gate, Up, Activated) = (context.Rent(n, c.IntermediateSize), context.Rent(n, c.IntermediateSize), context.Rent(n, c.IntermediateSize));
    }

    /// <summary>norm(x).</summary>
    public Matrix Normed { get; }

    /// <summary>Projections before the query/key norm; the same matrices as Query and Key where there is none.</summary>
    public Matrix RawQuery { get; }
    public Matrix RawKey { get; }

    /// <summary>After the norm and RoPE.</summary>
    public Matrix Query { get; }
    public Matrix Key { get; }
    public Matrix Value { get; }

    /// <summary>P V, the input of o_proj.</summary>
    public Matrix Attended { get; }

    /// <summary>x + attention.</summary>
    public Matrix Middle { get; }
    public Matrix MiddleNormed { get; }
    public Matrix Gate { get; }
    public Matrix Up { get; }

    /// <summary>silu(gate) * up, the input of down_proj.</summary>
    public Matrix Activated { get; }

    public void Dispose()
    {
        foreach (var matrix in (Matrix[])[Normed, Query, Key, Value, Attended, Middle, MiddleNormed, Gate, Up, Activated]) _context.Return(matrix);
        if (RawQuery.Data != Query.Data)
        {
            _context.Return(RawQuery);
            _context.Return(RawKey);
        }
    }
}
