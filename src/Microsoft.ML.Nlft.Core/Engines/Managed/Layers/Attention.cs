using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Causal grouped-query attention within each sequence: P = softmax(Q K^T / sqrt(d)) over the keys a query may see, O = P V. Queries go in tiles, so
/// at most tile x T scores exist per thread; keys and values are packed once for all queries of a piece of work.
/// </summary>
internal sealed unsafe class Attention(ModelConfiguration configuration, int window)
{
    private const int Tile = 64;

    private readonly int _size = configuration.HeadSize, _heads = configuration.HeadCount, _keyValueHeads = configuration.KeyValueHeadCount;
    private readonly int _group = configuration.HeadCount / configuration.KeyValueHeadCount;
    private readonly float _scale = (float)(1 / Math.Sqrt(configuration.HeadSize));

    /// <summary>
    /// o[R x heads d] from q[R x heads d] and k, v[N x kvHeads d]; logSums[R x heads] = log sum exp(scores), which the backward pass reads.
    /// A piece of work is one tile of queries with all heads that share a key/value head.
    /// </summary>
    public void Forward(EngineContext context, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums)
    {
        var tiles = context.Rows.Tiles(Tile);
        context.Workers.For(tiles * _keyValueHeads, (attention: this, context, tiles, q, k, v, o, logSums), static (work, item) =>
        {
            var tile = work.context.Rows.TileAt(Tile, work.tiles - 1 - item / work.attention._keyValueHeads); // the longest first
            work.attention.Forward(work.context, work.attention.Seen(tile), item % work.attention._keyValueHeads, work.q, work.k, work.v, work.o, work.logSums);
        });
    }

    private void Forward(EngineContext context, SeenKeys tile, int keyValueHead, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums)
    {
        int keySize = PackedFactor.Size(_size, tile.Count), valueSize = PackedFactor.Size(tile.Count, _size), stride = PackedFactor.RoundUp(tile.Count);
        var scratch = context.Workers.Scratch(keySize + valueSize + tile.Rows * stride);
        var keys = PackedFactor.Pack(new Operand(k.Part(tile.FirstKeyRow, tile.Count, keyValueHead * _size, _size)).Transposed, scratch);
        var values = PackedFactor.Pack(v.Part(tile.FirstKeyRow, tile.Count, keyValueHead * _size, _size), scratch + keySize);
        var p = scratch + keySize + valueSize;
        var inverseSums = stackalloc float[Tile];
        fixed (float* pinnedQ = q.Data, pinnedO = o.Data)
            for (var head = keyValueHead * _group; head < (keyValueHead + 1) * _group; head++)
            {
                keys.Multiply(tile.Rows, _size, stride, pinnedQ + q.Index(tile.FirstRow, head * _size), q.Stride, 1, p, stride, _scale);
                for (var i = 0; i < tile.Rows; i++)
                {
                    var (first, end) = tile.Visible(i);
                    var row = new Span<float>(p + (nint)i * stride, tile.Count);
                    var max = VectorMath.Max(row[first..end]);
                    var sum = VectorMath.ExpShifted(row[first..end], max);
                    row[..first].Clear();
                    row[end..].Clear();
                    (logSums[tile.FirstRow + i][head], inverseSums[i]) = (max + MathF.Log(sum), 1 / sum);
                }
                values.Multiply(tile.Rows, tile.Count, _size, p, stride, 1, pinnedO + o.Index(tile.FirstRow, head * _size), o.Stride);
                for (var i = 0; i < tile.Rows; i++) VectorMath.Scale(o[tile.FirstRow + i].Slice(head * _size, _size), inverseSums[i]);
            }
    }

    /// <summary>
    /// With P = exp(scores - logSums): dV += P^T dO; dP = dO V^T; dS = P * (dP - rowsum(dO * O)) / sqrt(d), since rowsum(P * dP) = rowsum(dO * O);
    /// dQ = dS K; dK += dS^T Q. A piece of work is one head of one sequence, with dK and dV of its own, which are then added over the heads of a group.
    /// </summary>
    public void Backward(EngineContext context, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums, Matrix dO, Matrix dq, Matrix dk, Matrix dv)
    {
        Matrix headKeys = _group == 1 ? dk : context.Rent(k.Rows, _heads * _size), headValues = _group == 1 ? dv : context.Rent(k.Rows, _heads * _size);
        context.Workers.For(context.Rows.Count * _heads, (attention: this, context, forward: (q, k, v, o, logSums), gradients: (dO, dq, headKeys, headValues)), static (work, item) =>
        {
            var (q, k, v, o, logSums) = work.forward;
            var (dO, dq, dk, dv) = work.gradients;
            work.attention.Backward(work.context, item / work.attention._heads, item % work.attention._heads, q, k, v, o, logSums, dO, dq, dk, dv);
        });
        if (_group == 1) return;
        context.ForRows(k.Rows, (attention: this, headKeys, headValues, dk, dv), static (work, row) =>
        {
            work.attention.AddGroups(work.headKeys[row], work.dk[row]);
            work.attention.AddGroups(work.headValues[row], work.dv[row]);
        });
        context.Return(headKeys);
        context.Return(headValues);
    }

    private void Backward(EngineContext context, int sequence, int head, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums, Matrix dO, Matrix dq, Matrix dk, Matrix dv)
    {
        var rows = context.Rows;
        var (start, length, column) = (rows.KeyStarts[sequence], rows.KeyStarts[sequence + 1] - rows.KeyStarts[sequence], head / _group * _size);
        int turned = PackedFactor.Size(_size, length), upright = PackedFactor.Size(length, _size), tileSize = PackedFactor.Size(Tile, _size), stride = PackedFactor.RoundUp(length);
        var scratch = context.Workers.Scratch(2 * turned + upright + 2 * tileSize + 2 * Tile * stride);
        Matrix headKeys = k.Part(start, length, column, _size), headValues = v.Part(start, length, column, _size);
        var keysTurned = PackedFactor.Pack(new Operand(headKeys).Transposed, scratch);
        var valuesTurned = PackedFactor.Pack(new Operand(headValues).Transposed, scratch += turned);
        var keys = PackedFactor.Pack(headKeys, scratch += turned);
        float* queryPanel = scratch + upright, upstreamPanel = queryPanel + tileSize, p = upstreamPanel + tileSize, ds = p + Tile * stride;

        dk.Part(start, length, head * _size, _size).Clear();
        dv.Part(start, length, head * _size, _size).Clear();
        fixed (float* pinnedQ = q.Data, pinnedUp = dO.Data, pinnedDq = dq.Data, pinnedDk = dk.Data, pinnedDv = dv.Data)
            for (var index = 0; index < rows.TilesOf(sequence, Tile); index++)
            {
                var tile = Seen(rows.TileAt(sequence, Tile, index));
                var (first, n, padded) = (tile.FirstKeyRow - start, tile.End - (tile.FirstKeyRow - start), PackedFactor.RoundUp(tile.End));
                var queries = PackedFactor.Pack(q.Part(tile.FirstRow, tile.Rows, head * _size, _size), queryPanel);
                var upstreams = PackedFactor.Pack(dO.Part(tile.FirstRow, tile.Rows, head * _size, _size), upstreamPanel);
                keysTurned.Multiply(tile.Rows, _size, padded, pinnedQ + q.Index(tile.FirstRow, head * _size), q.Stride, 1, p, stride, _scale);
                valuesTurned.Multiply(tile.Rows, _size, padded, pinnedUp + dO.Index(tile.FirstRow, head * _size), dO.Stride, 1, ds, stride);
                for (var i = 0; i < tile.Rows; i++)
                {
                    var (from, to) = tile.Visible(i);
                    (from, to) = (from + first, to + first);
                    Span<float> probability = new(p + (nint)i * stride, tile.End), gradient = new(ds + (nint)i * stride, tile.End);
                    VectorMath.ExpShifted(probability[from..to], logSums[tile.FirstRow + i][head]);
                    var mean = VectorMath.Dot(dO[tile.FirstRow + i].Slice(head * _size, _size), o[tile.FirstRow + i].Slice(head * _size, _size));
                    VectorMath.MultiplyShifted(gradient[from..to], mean, probability[from..to], _scale);
                    probability[..from].Clear();
                    probability[to..].Clear();
                    gradient[..from].Clear();
                    gradient[to..].Clear();
                }
                keys.Multiply(tile.Rows, tile.End, _size, ds, stride, 1, pinnedDq + dq.Index(tile.FirstRow, head * _size), dq.Stride);
                upstreams.Multiply(n, tile.Rows, _size, p + first, 1, stride, pinnedDv + dv.Index(start + first, head * _size), dv.Stride, accumulate: true);
                queries.Multiply(n, tile.Rows, _size, ds + first, 1, stride, pinnedDk + dk.Index(start + first, head * _size), dk.Stride, accumulate: true);
            }
    }

    /// <summary>Stores keys and values k, v[N x kvHeads d] of whole sequences in their caches.</summary>
    public void Store(EngineContext context, Matrix k, Matrix v, KeyValueCache[] caches, int layer)
    {
        for (var s = 0; s < caches.Length; s++) caches[s].Extend(layer, context.Batch.Length(s));
        context.Workers.For(caches.Length * _keyValueHeads, (_keyValueHeads, context.Batch, k, v, caches, layer), static (work, item) =>
        {
            var (s, head) = Math.DivRem(item, work._keyValueHeads);
            for (int position = 0, row = work.Batch.Starts[s]; position < work.Batch.Length(s); position++, row++) work.caches[s].Store(work.layer, head, position, work.k[row], work.v[row]);
        });
    }

    /// <summary>
    /// One new query per sequence against its cache, o[B x heads d], after the new key and value k, v[B x kvHeads d] have been stored there. A piece of work
    /// is one key/value head of one sequence.
    /// </summary>
    public void Decode(EngineContext context, Matrix q, Matrix k, Matrix v, KeyValueCache[] caches, int layer, Matrix o)
    {
        foreach (var cache in caches) cache.Extend(layer, 1);
        context.Workers.For(q.Rows * _keyValueHeads, (attention: this, context.Workers, q, k, v, caches, layer, o), static (work, item) =>
        {
            var (row, head) = Math.DivRem(item, work.attention._keyValueHeads);
            var (cache, group) = (work.caches[row], head * work.attention._group * work.attention._size);
            cache.Store(work.layer, head, cache.Length(work.layer) - 1, work.k[row], work.v[row]);
            fixed (float* query = work.q[row], output = work.o[row])
                work.attention.Decode(work.Workers, cache, work.layer, head, query + group, output + group, work.attention.FirstKeys(work.caches, work.layer, item + work.Workers.Threads));
        });
    }

    private int FirstVisible(KeyValueCache cache, int layer) => window > 0 ? Math.Max(0, cache.Length(layer) - window) : 0;

    /// <summary>The keys that a piece of work begins with; null when there is no such piece.</summary>
    private float* FirstKeys(KeyValueCache[] caches, int layer, int item)
    {
        var (row, head) = Math.DivRem(item, _keyValueHeads);
        return row < caches.Length ? caches[row].Keys(layer, head, FirstVisible(caches[row], layer) / KeyValueCache.Page).Panels : null;
    }

    /// <summary>The heads that share a key/value head, q and o[group d]; <paramref name="next"/> is what this thread may want next.</summary>
    private void Decode(Workers workers, KeyValueCache cache, int layer, int keyValueHead, float* q, float* o, float* next)
    {
        const int Page = KeyValueCache.Page;
        int first = FirstVisible(cache, layer), end = cache.Length(layer), firstPage = first / Page, endPage = (end + Page - 1) / Page, stride = (endPage - firstPage) * Page;
        var p = workers.Scratch(_group * stride);
        for (var page = firstPage; page < endPage; page++)
            cache.Keys(layer, keyValueHead, page).Multiply(_group, _size, PackedFactor.RoundUp(Math.Min(Page, end - page * Page)), q, _size, 1, p + (page - firstPage) * Page, stride, _scale,
                next: cache.Values(layer, keyValueHead, page).Panels);
        for (var head = 0; head < _group; head++)
        {
            var row = new Span<float>(p + head * stride, end - firstPage * Page);
            VectorMath.Softmax(row[(first - firstPage * Page)..]);
            row[..(first - firstPage * Page)].Clear();
        }
        for (var page = firstPage; page < endPage; page++)
            cache.Values(layer, keyValueHead, page).Multiply(_group, Math.Min(Page, end - page * Page), _size, p + (page - firstPage) * Page, stride, 1, o, _size, accumulate: page > firstPage,
                next: page + 1 < endPage ? cache.Keys(layer, keyValueHead, page + 1).Panels : next);
    }

    /// <summary>target[kvHeads d] = the sum over the heads of each group of source[heads d].</summary>
    private void AddGroups(ReadOnlySpan<float> source, Span<float> target)
    {
        for (var head = 0; head < _heads; head++)
        {
            var sum = target.Slice(head / _group * _size, _size);
            if (head % _group == 0) source.Slice(head * _size, _size).CopyTo(sum);
            else VectorMath.Add(source.Slice(head * _size, _size), sum);
        }
    }

    private SeenKeys Seen(QueryTile tile)
    {
        var first = window > 0 ? Math.Max(0, tile.FirstPosition - window + 1) : 0;
        return new SeenKeys(tile.FirstRow, tile.Rows, tile.FirstPosition, tile.KeyStart, first, tile.FirstPosition + tile.Rows, window);
    }

    /// <summary>A tile of queries and the keys that any of them sees, [First, End) of their sequence.</summary>
    private readonly record struct SeenKeys(int FirstRow, int Rows, int FirstPosition, int KeyStart, int First, int End, int Window)
    {
        public int Count => End - First;

        public int FirstKeyRow => KeyStart + First;

        /// <summary>The keys that query <paramref name="i"/> of the tile sees, counted from First.</summary>
        public (int First, int End) Visible(int i)
        {
            var position = FirstPosition + i;
            return ((Window > 0 ? Math.Max(First, position - Window + 1) : First) - First, position + 1 - First);
        }
    }
}
