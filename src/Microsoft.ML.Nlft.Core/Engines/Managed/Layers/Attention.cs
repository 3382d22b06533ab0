using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Causal grouped-query attention within each sequence: P = softmax(Q K^T / sqrt(d)) over the keys a query may see, O = P V. Queries
/// go in tiles, so at most tile x T scores exist per thread. A piece of work is one key/value head of one sequence with all its
/// query heads: nobody else adds to its dK and dV.
/// </summary>
internal sealed class Attention(ModelConfiguration configuration, int window)
{
    private const int Tile = 64;

    private readonly int _size = configuration.HeadSize, _keyValueHeads = configuration.KeyValueHeadCount;
    private readonly int _group = configuration.HeadCount / configuration.KeyValueHeadCount;
    private readonly float _scale = (float)(1 / Math.Sqrt(configuration.HeadSize));

    /// <summary>o[N x heads d] from q[N x heads d] and k, v[N x kvHeads d].</summary>
    public void Forward(EngineContext context, Matrix q, Matrix k, Matrix v, Matrix o) => ForEachTile(context, (head, tile) =>
    {
        var (queries, keys) = (tile.Queries(q, head), tile.Keys(k, head));
        var p = context.Rent(tile.Rows, tile.KeyCount);
        Probabilities(context, queries, keys, tile, p);
        MatrixProduct.MultiplySequentially(context.Workspace, p, tile.Keys(v, head), tile.Queries(o, head));
        context.Return(p);
    });

    /// <summary>
    /// With P recomputed: dV += P^T dO; dP = dO V^T; dS = P * (dP - rowsum(P * dP)); dQ = dS K / sqrt(d); dK += dS^T Q / sqrt(d).
    /// </summary>
    public void Backward(EngineContext context, Matrix q, Matrix k, Matrix v, Matrix dO, Matrix dq, Matrix dk, Matrix dv)
    {
        dk.Clear();
        dv.Clear();
        ForEachTile(context, (head, tile) =>
        {
            var (queries, keys, upstream) = (tile.Queries(q, head), tile.Keys(k, head), tile.Queries(dO, head));
            Matrix p = context.Rent(tile.Rows, tile.KeyCount), ds = context.Rent(tile.Rows, tile.KeyCount);
            Probabilities(context, queries, keys, tile, p);
            MatrixProduct.MultiplySequentially(context.Workspace, new Operand(p).Transposed, upstream, tile.Keys(dv, head), accumulate: true);
            MatrixProduct.MultiplySequentially(context.Workspace, upstream, new Operand(tile.Keys(v, head)).Transposed, ds);
            for (var i = 0; i < tile.Rows; i++)
            {
                Span<float> probability = p[i], gradient = ds[i];
                var mean = VectorMath.Dot(probability, gradient);
                for (var j = 0; j < gradient.Length; j++) gradient[j] = probability[j] * (gradient[j] - mean);
            }
            MatrixProduct.MultiplySequentially(context.Workspace, ds, keys, tile.Queries(dq, head), _scale);
            MatrixProduct.MultiplySequentially(context.Workspace, new Operand(ds).Transposed, queries, tile.Keys(dk, head), _scale, accumulate: true);
            context.Return(p);
            context.Return(ds);
        });
    }

    /// <summary>One new query per sequence against its cache, which already holds the new key and value: o[B x heads d].</summary>
    public void Decode(EngineContext context, Matrix q, IReadOnlyList<KeyValueCache> caches, int layer, Matrix o) =>
        context.Workers.For(q.Rows * _keyValueHeads, item =>
        {
            var (row, head) = (item / _keyValueHeads, item % _keyValueHeads);
            var cache = caches[row];
            var end = cache.Length(layer);
            var first = window > 0 ? Math.Max(0, end - window) : 0;
            var scores = context.Rent(1, cache.Capacity);
            for (var h = head * _group; h < (head + 1) * _group; h++)
            {
                DecodeKernels.Scores(q[row].Slice(h * _size, _size), cache.Keys(layer, head), cache.Capacity, _scale, first, end, scores.Span);
                VectorMath.Softmax(scores.Span[first..end]);
                DecodeKernels.WeightedSum(scores.Span, cache.Values(layer, head), first, end, o[row].Slice(h * _size, _size));
            }
            context.Return(scores);
        });

    /// <summary>p = softmax(q k^T / sqrt(d)) with zeros where the mask forbids.</summary>
    private void Probabilities(EngineContext context, Matrix queries, Matrix keys, QueryTile tile, Matrix p)
    {
        MatrixProduct.MultiplySequentially(context.Workspace, queries, new Operand(keys).Transposed, p, _scale);
        for (var i = 0; i < tile.Rows; i++)
        {
            var position = tile.FirstQuery + i;
            var first = (window > 0 ? Math.Max(0, position - window + 1) : 0) - tile.FirstKey;
            var end = position + 1 - tile.FirstKey;
            var row = p[i];
            row[..first].Clear();
            VectorMath.Softmax(row[first..end]);
            row[end..].Clear();
        }
    }

    private void ForEachTile(EngineContext context, Action<int, QueryTile> body)
    {
        var batch = context.Batch;
        context.Workers.For(batch.Count * _keyValueHeads, item =>
        {
            var (sequence, keyValueHead) = (item / _keyValueHeads, item % _keyValueHeads);
            int start = batch.Starts[sequence], length = batch.Length(sequence);
            for (var head = keyValueHead * _group; head < (keyValueHead + 1) * _group; head++)
                for (var query = 0; query < length; query += Tile)
                {
                    var rows = Math.Min(Tile, length - query);
                    var firstKey = window > 0 ? Math.Max(0, query - window + 1) : 0;
                    body(head, new QueryTile(start, query, rows, firstKey, query + rows - firstKey, _size, _group));
                }
        });
    }

    /// <summary>A run of queries of one sequence and the keys that any of them sees; positions count from the sequence's start.</summary>
    private readonly record struct QueryTile(int Start, int FirstQuery, int Rows, int FirstKey, int KeyCount, int Size, int Group)
    {
        public Matrix Queries(Matrix matrix, int head) => matrix.Part(Start + FirstQuery, Rows, head * Size, Size);

        public Matrix Keys(Matrix matrix, int head) => matrix.Part(Start + FirstKey, KeyCount, head / Group * Size, Size);
    }
}
