using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Causal grouped-query attention within each sequence: P = softmax(s Q K^T) over the keys that a query may see, where s is 1 / sqrt(d) unless the
/// model says otherwise; O = P V. With a soft cap c, scores become c tanh(score / c) before the softmax. Queries are processed in tiles, so a thread
/// holds at most tile x T scores; keys and values are packed once for all queries of a task.
/// </summary>
internal sealed unsafe class Attention(ModelConfiguration configuration, int window)
{
    private const int Tile = 64, RowsAlone = 128; // rows of a task, where threads share the loop and where it is one thread's
    private const int ForwardTile = 24; // the fewer rows, the fewer scores of keys that they do not see

    private readonly int _size = configuration.HeadSize, _heads = configuration.HeadCount, _keyValueHeads = configuration.KeyValueHeadCount;
    private readonly int _group = configuration.HeadCount / configuration.KeyValueHeadCount;
    private readonly float _cap = (float)(configuration.AttentionSoftCap ?? 0); // 0: none
    private readonly float _scale = (float)(configuration.AttentionMultiplier ?? 1 / Math.Sqrt(configuration.HeadSize));

    /// <summary>Whether the layer has a sliding window.</summary>
    public bool IsSliding => window > 0;

    /// <summary>
    /// Computes o[R x heads d] from q[R x heads d] and k, v[N x kvHeads d], and logSums[R x heads] = log sum exp(scores) for the backward pass.
    /// A task is some queries with all heads that share a key/value head.
    /// </summary>
    public void Forward(EngineContext context, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums)
    {
        var rows = context.Workers.Threads == 1 ? RowsAlone : Tile;
        var tasks = context.Rows.Tiles(rows);
        var state = (attention: this, context, rows, tasks, q, k, v, o, logSums);
        context.Workers.For(tasks * _keyValueHeads, state, static (loop, task) =>
        {
            var (tile, head) = Math.DivRem(task, loop.attention._keyValueHeads);
            var keys = loop.attention.KeysOf(loop.context.Rows.TileAt(loop.rows, loop.tasks - 1 - tile)); // the longest first
            loop.attention.Forward(loop.context, keys, head, loop.q, loop.k, loop.v, loop.o, loop.logSums);
        });
    }

    private void Forward(EngineContext context, VisibleKeys queries, int keyValueHead, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums)
    {
        int keySize = PackedMatrix.Size(_size, queries.Count), valueSize = PackedMatrix.Size(queries.Count, _size);
        var stride = PackedMatrix.RoundUp(queries.Count);
        var scratch = context.Workers.Scratch(keySize + valueSize + ForwardTile * stride);
        var keys = PackedMatrix.Pack(new Operand(k.Slice(queries.FirstKeyRow, queries.Count, keyValueHead * _size, _size)).Transposed, scratch);
        var values = PackedMatrix.Pack(v.Slice(queries.FirstKeyRow, queries.Count, keyValueHead * _size, _size), scratch + keySize);
        var p = scratch + keySize + valueSize;
        var inverseSums = stackalloc float[ForwardTile];
        fixed (float* pinnedQ = q.Data, pinnedO = o.Data)
        {
            for (var head = keyValueHead * _group; head < (keyValueHead + 1) * _group; head++)
            {
                for (var start = 0; start < queries.Rows; start += ForwardTile)
                {
                    var tile = queries.Part(start, Math.Min(ForwardTile, queries.Rows - start));
                    var tileQ = pinnedQ + q.Index(tile.FirstRow, head * _size);
                    keys.Multiply(tile.Rows, _size, PackedMatrix.RoundUp(tile.Count), tileQ, q.Stride, 1, p, stride, _scale);
                    for (var i = 0; i < tile.Rows; i++)
                    {
                        var (first, end) = tile.Visible(i);
                        var row = new Span<float>(p + (nint)i * stride, tile.Count);
                        if (_cap > 0) VectorMath.SoftCap(row[first..end], _cap);
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
        }
    }

    /// <summary>
    /// With P = exp(scores - logSums), computes dV += P^T dO; dP = dO V^T; dS = s P * (dP - rowsum(dO * O)), because
    /// rowsum(P * dP) = rowsum(dO * O); dQ = dS K; dK += dS^T Q. A task is one head of one sequence with its own dK and dV, which are then summed
    /// over the heads of a group. A soft cap multiplies dS by its slope.
    /// </summary>
    public void Backward(EngineContext context, Matrix q, Matrix k, Matrix v, Matrix o, Matrix logSums, Matrix dO, Matrix dq, Matrix dk, Matrix dv)
    {
        var headDk = _group == 1 ? dk : context.Rent(k.Rows, _heads * _size);
        var headDv = _group == 1 ? dv : context.Rent(k.Rows, _heads * _size);
        var state = (attention: this, context, forward: new Inputs(q, k, v, o, logSums, dO), gradients: new Gradients(dq, headDk, headDv));
        context.Workers.For(context.Rows.Count * _heads, state, static (loop, task) =>
        {
            var (sequence, head) = Math.DivRem(task, loop.attention._heads);
            loop.attention.Backward(loop.context, sequence, head, loop.forward, loop.gradients);
        });
        if (_group == 1) return;
        context.ForRows(k.Rows, (attention: this, headDk, headDv, dk, dv), static (loop, row) =>
        {
            loop.attention.SumGroups(loop.headDk[row], loop.dk[row]);
            loop.attention.SumGroups(loop.headDv[row], loop.dv[row]);
        });
        context.Return(headDk);
        context.Return(headDv);
    }

    private void Backward(EngineContext context, int sequence, int head, Inputs inputs, Gradients gradients)
    {
        var ((q, k, v, o, logSums, dO), (dq, dk, dv), rows) = (inputs, gradients, context.Rows);
        int start = rows.KeyStarts[sequence], length = rows.KeyStarts[sequence + 1] - start, column = head / _group * _size;
        int transposedSize = PackedMatrix.Size(_size, length), size = PackedMatrix.Size(length, _size), tileSize = PackedMatrix.Size(Tile, _size);
        var stride = PackedMatrix.RoundUp(length);
        var scratch = context.Workers.Scratch(2 * transposedSize + size + 2 * tileSize + 2 * Tile * stride);
        Matrix headKeys = k.Slice(start, length, column, _size), headValues = v.Slice(start, length, column, _size);
        var keysTransposed = PackedMatrix.Pack(new Operand(headKeys).Transposed, scratch);
        var valuesTransposed = PackedMatrix.Pack(new Operand(headValues).Transposed, scratch += transposedSize);
        var keys = PackedMatrix.Pack(headKeys, scratch += transposedSize);
        float* queryPanel = scratch + size, upstreamPanel = queryPanel + tileSize, p = upstreamPanel + tileSize, ds = p + Tile * stride;

        dk.Slice(start, length, head * _size, _size).Clear();
        dv.Slice(start, length, head * _size, _size).Clear();
        fixed (float* pinnedQ = q.Data, pinnedUpstream = dO.Data, pinnedDq = dq.Data, pinnedDk = dk.Data, pinnedDv = dv.Data)
        {
            for (var index = 0; index < rows.TilesOf(sequence, Tile); index++)
            {
                var tile = KeysOf(rows.TileAt(sequence, Tile, index));
                var (first, n, padded) = (tile.FirstKeyRow - start, tile.End - (tile.FirstKeyRow - start), PackedMatrix.RoundUp(tile.End));
                var queries = PackedMatrix.Pack(q.Slice(tile.FirstRow, tile.Rows, head * _size, _size), queryPanel);
                var upstreams = PackedMatrix.Pack(dO.Slice(tile.FirstRow, tile.Rows, head * _size, _size), upstreamPanel);
                float* tileQ = pinnedQ + q.Index(tile.FirstRow, head * _size), tileUpstream = pinnedUpstream + dO.Index(tile.FirstRow, head * _size);
                keysTransposed.Multiply(tile.Rows, _size, padded, tileQ, q.Stride, 1, p, stride, _scale);
                valuesTransposed.Multiply(tile.Rows, _size, padded, tileUpstream, dO.Stride, 1, ds, stride);
                for (var i = 0; i < tile.Rows; i++)
                {
                    var (from, to) = tile.Visible(i);
                    (from, to) = (from + first, to + first);
                    Span<float> probability = new(p + (nint)i * stride, tile.End), gradient = new(ds + (nint)i * stride, tile.End);
                    var mean = VectorMath.Dot(dO[tile.FirstRow + i].Slice(head * _size, _size), o[tile.FirstRow + i].Slice(head * _size, _size));
                    if (_cap > 0)
                    {
                        VectorMath.SoftCap(probability[from..to], _cap, gradient[from..to], mean);
                        mean = 0;
                    }
                    VectorMath.ExpShifted(probability[from..to], logSums[tile.FirstRow + i][head]);
                    VectorMath.MultiplyShifted(gradient[from..to], mean, probability[from..to], _scale);
                    probability[..from].Clear();
                    probability[to..].Clear();
                    gradient[..from].Clear();
                    gradient[to..].Clear();
                }
                float* tileDv = pinnedDv + dv.Index(start + first, head * _size), tileDk = pinnedDk + dk.Index(start + first, head * _size);
                keys.Multiply(tile.Rows, tile.End, _size, ds, stride, 1, pinnedDq + dq.Index(tile.FirstRow, head * _size), dq.Stride);
                upstreams.Multiply(n, tile.Rows, _size, p + first, 1, stride, tileDv, dv.Stride, accumulate: true);
                queries.Multiply(n, tile.Rows, _size, ds + first, 1, stride, tileDk, dk.Stride, accumulate: true);
            }
        }
    }

    /// <summary>Stores the keys and values of whole sequences, k and v[N x kvHeads d], at the positions that their caches lack.</summary>
    public void Store(EngineContext context, Matrix k, Matrix v, KeyValueCache[] caches, int layer)
    {
        var firsts = Array.ConvertAll(caches, cache => cache.Length(layer));
        for (var s = 0; s < caches.Length; s++) caches[s].Extend(layer, context.Batch.Length(s) - firsts[s]);
        context.Workers.For(caches.Length * _keyValueHeads, (_keyValueHeads, context.Batch, k, v, caches, layer, firsts), static (loop, task) =>
        {
            var (s, head) = Math.DivRem(task, loop._keyValueHeads);
            for (int position = loop.firsts[s], row = loop.Batch.Starts[s] + position; position < loop.Batch.Length(s); position++, row++)
            {
                loop.caches[s].Store(loop.layer, head, position, loop.k[row], loop.v[row]);
            }
        });
    }

    /// <summary>
    /// Computes o[B x heads d] for new queries, after storing their keys and values k, v[B x kvHeads d] in the caches: one for each sequence, or
    /// several that follow one another, whose rows then have the same cache. A task is one key/value head of one sequence.
    /// </summary>
    public void Decode(EngineContext context, Matrix q, Matrix k, Matrix v, KeyValueCache[] caches, int layer, Matrix o)
    {
        foreach (var cache in caches) cache.Extend(layer, 1);
        var state = (attention: this, context.Workers, q, k, v, caches, layer, o);
        context.Workers.For(q.Rows * _keyValueHeads, state, static (loop, task) =>
        {
            var attention = loop.attention;
            var (first, head) = Math.DivRem(task, attention._keyValueHeads);
            var (cache, group) = (loop.caches[first], head * attention._group * attention._size);
            if (first > 0 && loop.caches[first - 1] == cache) return; // the task of the sequence's first row computes them all
            var afterLast = first;
            while (afterLast < loop.caches.Length && loop.caches[afterLast] == cache) afterLast++;
            var start = cache.Length(loop.layer) - (afterLast - first);
            for (var row = first; row < afterLast; row++) cache.Store(loop.layer, head, start + row - first, loop.k[row], loop.v[row]);
            var next = attention.FirstKeys(loop.caches, loop.layer, task + loop.Workers.Threads);
            for (var row = first; row < afterLast; row++)
            {
                fixed (float* query = loop.q[row], output = loop.o[row])
                    attention.Decode(loop.Workers, cache, start + row - first + 1, loop.layer, head, query + group, output + group, next);
            }
        });
    }

    private int FirstVisible(int end) => window > 0 ? Math.Max(0, end - window) : 0;

    /// <summary>The keys that a task reads first; null if there is no such task.</summary>
    private float* FirstKeys(KeyValueCache[] caches, int layer, int task)
    {
        var (row, head) = Math.DivRem(task, _keyValueHeads);
        return row < caches.Length ? caches[row].Keys(layer, head, FirstVisible(caches[row].Length(layer)) / KeyValueCache.Page).Panels : null;
    }

    /// <summary>
    /// Decodes the heads that share a key/value head, q and o[group d], over the positions before <paramref name="end"/>; prefetches
    /// <paramref name="next"/> for the next task.
    /// </summary>
    private void Decode(Workers workers, KeyValueCache cache, int end, int layer, int keyValueHead, float* q, float* o, float* next)
    {
        const int Page = KeyValueCache.Page;
        int first = FirstVisible(end), firstPage = first / Page, endPage = (end + Page - 1) / Page;
        int stride = (endPage - firstPage) * Page, firstInPage = first - firstPage * Page;
        var p = workers.Scratch(_group * stride);
        for (var page = firstPage; page < endPage; page++)
        {
            var positions = PackedMatrix.RoundUp(Math.Min(Page, end - page * Page));
            cache.Keys(layer, keyValueHead, page).Multiply(_group, _size, positions, q, _size, 1, p + (page - firstPage) * Page, stride, _scale,
                next: cache.Values(layer, keyValueHead, page).Panels);
        }
        for (var head = 0; head < _group; head++)
        {
            var row = new Span<float>(p + head * stride, end - firstPage * Page);
            if (_cap > 0) VectorMath.SoftCap(row[firstInPage..], _cap);
            VectorMath.Softmax(row[firstInPage..]);
            row[..firstInPage].Clear();
        }
        for (var page = firstPage; page < endPage; page++)
        {
            var positions = Math.Min(Page, end - page * Page);
            cache.Values(layer, keyValueHead, page).Multiply(_group, positions, _size, p + (page - firstPage) * Page, stride, 1, o, _size,
                accumulate: page > firstPage, next: page + 1 < endPage ? cache.Keys(layer, keyValueHead, page + 1).Panels : next);
        }
    }

    /// <summary>Computes target[kvHeads d], the sum of source[heads d] over the heads of each group.</summary>
    private void SumGroups(ReadOnlySpan<float> source, Span<float> target)
    {
        for (var head = 0; head < _heads; head++)
        {
            var sum = target.Slice(head / _group * _size, _size);
            if (head % _group == 0) source.Slice(head * _size, _size).CopyTo(sum);
            else VectorMath.Add(source.Slice(head * _size, _size), sum);
        }
    }

    private VisibleKeys KeysOf(QueryTile tile)
    {
        var first = window > 0 ? Math.Max(0, tile.FirstPosition - window + 1) : 0;
        return new VisibleKeys(tile.FirstRow, tile.Rows, tile.FirstPosition, tile.KeyStart, first, tile.FirstPosition + tile.Rows, window);
    }

    /// <summary>What the backward pass reads.</summary>
    private readonly record struct Inputs(Matrix Q, Matrix K, Matrix V, Matrix O, Matrix LogSums, Matrix DO);

    /// <summary>What the backward pass writes: dQ, and dK and dV of every head.</summary>
    private readonly record struct Gradients(Matrix Dq, Matrix Dk, Matrix Dv);

    /// <summary>A tile of queries and the keys that at least one of them sees, positions [First, End) of their sequence.</summary>
    private readonly record struct VisibleKeys(int FirstRow, int Rows, int FirstPosition, int KeyStart, int First, int End, int Window)
    {
        public int Count => End - First;

        /// <summary>The queries [start, start + rows) of the tile, with keys from the same first one on.</summary>
        public VisibleKeys Part(int start, int rows) =>
            this with { FirstRow = FirstRow + start, Rows = rows, FirstPosition = FirstPosition + start, End = FirstPosition + start + rows };

        public int FirstKeyRow => KeyStart + First;

        /// <summary>The keys that query <paramref name="i"/> of the tile sees, relative to First.</summary>
        public (int First, int End) Visible(int i)
        {
            var position = FirstPosition + i;
            return ((Window > 0 ? Math.Max(First, position - Window + 1) : First) - First, position + 1 - First);
        }
    }
}
