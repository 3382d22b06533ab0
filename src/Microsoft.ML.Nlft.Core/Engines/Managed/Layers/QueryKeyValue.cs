using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The projections of a layer's normalised input x[N x H] to queries of R rows, and keys and values of N rows.</summary>
internal abstract class QueryKeyValue
{
    /// <summary>The linear layers.</summary>
    public abstract IReadOnlyList<Linear> Linears { get; }

    /// <summary>Computes q[R x heads d] and k, v[N x kvHeads d].</summary>
    /// <param name="context">All rows.</param>
    /// <param name="queryContext">The R rows.</param>
    /// <param name="x">The input.</param>
    /// <param name="queryInput">The R rows of the input.</param>
    /// <param name="q">Receives the queries.</param>
    /// <param name="k">Receives the keys.</param>
    /// <param name="v">Receives the values.</param>
    public abstract void Forward(EngineContext context, EngineContext queryContext, Matrix x, Matrix queryInput, Matrix q, Matrix k, Matrix v);

    /// <summary>
    /// Computes dx[N x H] from dq, dk and dv, unless <paramref name="dx"/> is null, and adds to the gradients of the trainable tensors.
    /// </summary>
    public abstract void Backward(EngineContext context, EngineContext queryContext, Matrix x, Matrix dq, Matrix dk, Matrix dv, Matrix? dx);
}

/// <summary>A projection each.</summary>
internal sealed class SeparateQkv(Linear query, Linear key, Linear value) : QueryKeyValue
{
    public override IReadOnlyList<Linear> Linears { get; } = [query, key, value];

    public override void Forward(EngineContext context, EngineContext queryContext, Matrix x, Matrix queryInput, Matrix q, Matrix k, Matrix v)
    {
        if (queryContext.Rows.IsAll)
        {
            Linear.Forward(context, x, (key, k), (value, v), (query, q));
            return;
        }
        Linear.Forward(context, x, (key, k), (value, v));
        query.Forward(queryContext, queryInput, q);
    }

    public override void Backward(EngineContext context, EngineContext queryContext, Matrix x, Matrix dq, Matrix dk, Matrix dv, Matrix? dx)
    {
        key.Backward(context, x, dk, dx, accumulate: false);
        value.Backward(context, x, dv, dx, accumulate: true);
        if (queryContext.Rows.IsAll)
        {
            query.Backward(context, x, dq, dx, accumulate: true);
            return;
        }
        Matrix queryInput = queryContext.Gather(x), dQueryInput = context.Rent(dq.Rows, x.Columns);
        query.Backward(queryContext, queryInput, dq, dx is null ? null : dQueryInput, accumulate: false);
        if (dx is { } sum) queryContext.Rows.Add(dQueryInput, sum);
        context.Return(queryInput);
        context.Return(dQueryInput);
    }
}

/// <summary>
/// One projection for all three, computed for all rows; its columns are copied, so that an adapter of the one module is PEFT's own.
/// </summary>
/// <param name="linear">The projection.</param>
/// <param name="byHead">Whether query, key and value of a head lie together, rather than all queries, all keys and all values.</param>
/// <param name="headSize">d.</param>
internal sealed class FusedQkv(Linear linear, bool byHead, int headSize) : QueryKeyValue
{
    public override IReadOnlyList<Linear> Linears { get; } = [linear];

    public override void Forward(EngineContext context, EngineContext queryContext, Matrix x, Matrix queryInput, Matrix q, Matrix k, Matrix v)
    {
        var all = context.Rent(x.Rows, linear.Outputs);
        linear.Forward(context, x, all);
        var (keyStart, valueStart) = Starts(q, k);
        context.ForRows(k.Rows, (qkv: this, all, k, v, keyStart, valueStart), static (loop, row) =>
        {
            loop.qkv.Read(loop.all[row], loop.keyStart, loop.k[row]);
            loop.qkv.Read(loop.all[row], loop.valueStart, loop.v[row]);
        });
        context.ForRows(q.Rows, (qkv: this, all, q, queryContext.Rows), static (loop, row) =>
            loop.qkv.Read(loop.all[loop.Rows.IsAll ? row : loop.Rows.BatchRow(row)], 0, loop.q[row]));
        context.Return(all);
    }

    public override void Backward(EngineContext context, EngineContext queryContext, Matrix x, Matrix dq, Matrix dk, Matrix dv, Matrix? dx)
    {
        var all = context.Rent(x.Rows, linear.Outputs);
        if (!queryContext.Rows.IsAll) all.Clear();
        var (keyStart, valueStart) = Starts(dq, dk);
        context.ForRows(dk.Rows, (qkv: this, all, dk, dv, keyStart, valueStart), static (loop, row) =>
        {
            loop.qkv.Write(loop.dk[row], loop.keyStart, loop.all[row]);
            loop.qkv.Write(loop.dv[row], loop.valueStart, loop.all[row]);
        });
        context.ForRows(dq.Rows, (qkv: this, all, dq, queryContext.Rows), static (loop, row) =>
            loop.qkv.Write(loop.dq[row], 0, loop.all[loop.Rows.IsAll ? row : loop.Rows.BatchRow(row)]));
        linear.Backward(context, x, all, dx, accumulate: false);
        context.Return(all);
    }

    /// <summary>The columns of the first key and of the first value.</summary>
    private (int Key, int Value) Starts(Matrix q, Matrix k) => byHead ? (headSize, 2 * headSize) : (q.Columns, q.Columns + k.Columns);

    /// <summary>Columns from one head of a kind to the next.</summary>
    private int Step => byHead ? 3 * headSize : headSize;

    private void Read(ReadOnlySpan<float> all, int start, Span<float> heads)
    {
        for (; heads.Length > 0; heads = heads[headSize..], start += Step) all.Slice(start, headSize).CopyTo(heads);
    }

    private void Write(ReadOnlySpan<float> heads, int start, Span<float> all)
    {
        for (; heads.Length > 0; heads = heads[headSize..], start += Step) heads[..headSize].CopyTo(all[start..]);
    }
}
