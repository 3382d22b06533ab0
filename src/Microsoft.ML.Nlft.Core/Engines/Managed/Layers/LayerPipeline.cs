using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Takes a batch through all layers by blocks of rows, in one loop of tasks. Task (l, b) completes layer l - 1 for block b and projects the queries,
/// keys and values of layer l. What a block computes stays in the second-level cache of its thread, and no thread waits for another at the end of a
/// product: a task waits only for the blocks whose keys its rows see, whose tasks were claimed before. Rows do not depend on the block they are in.
/// </summary>
internal sealed class LayerPipeline : IDisposable
{
    // A block meets every weight of a layer: with fewer rows it would wait for the memory, with more it would leave the cache.
    private const int MinimumRows = 64, MaximumRows = 128, RowStep = 12;
    private const int BlocksPerThread = 3;

    private readonly DecoderLayer[] _layers;
    private readonly ModelConfiguration _configuration;
    private readonly EngineContext _context;
    private readonly LayerRopes _ropes;
    private readonly PackedBatch _whole;
    private readonly SharedBeginnings? _beginnings;
    private readonly KeyValueCache[]? _caches;
    private readonly Block[] _blocks;
    private readonly int[] _done; // levels of each block
    private readonly (LayerActivations Own, LayerActivations View)[] _slots; // of each thread
    private LayerKeys? _keys; // of layers that store none
    private Matrix? _query;
    private volatile bool _failed;

    /// <summary>Rows [FirstRow, FirstRow + Context.Batch.Rows) of the batch, and those of them that the last layer computes.</summary>
    /// <param name="FirstRow">Its first row.</param>
    /// <param name="Context">The rows as a batch.</param>
    /// <param name="Whole">The rows among whole sequences.</param>
    /// <param name="FirstLast">The first row in what the last layer computes.</param>
    /// <param name="Last">The rows that the last layer computes.</param>
    /// <param name="LastWhole">These among whole sequences.</param>
    /// <param name="Needs">The blocks, itself among them, that hold the keys its rows see.</param>
    private sealed record Block(int FirstRow, EngineContext Context, QueryRows Whole, int FirstLast, QueryRows Last, QueryRows LastWhole,
        int[] Needs)
    {
        public int Rows => Context.Batch.Rows;
    }

    /// <summary>Cuts a batch into blocks.</summary>
    /// <param name="network">The layers.</param>
    /// <param name="context">Threads, the pool of arrays and the batch.</param>
    /// <param name="ropes">The rotary tables.</param>
    /// <param name="last">The rows that the last layer computes.</param>
    /// <param name="beginnings">What the sequences have in common or in a cache, if the batch is their ends.</param>
    /// <param name="caches">A cache to fill for each sequence, which may hold its beginning; null: none.</param>
    /// <returns>Null if there are fewer blocks than threads, or layers that compute several rows better together.</returns>
    public static LayerPipeline? Of(Network network, EngineContext context, LayerRopes ropes, QueryRows last, SharedBeginnings? beginnings,
        KeyValueCache[]? caches = null)
    {
        var (rows, threads) = (context.Batch.Rows, context.Workers.Threads);
        var blocks = Math.Max((rows + MaximumRows - 1) / MaximumRows, Math.Min(BlocksPerThread * threads, rows / MinimumRows));
        return blocks < Math.Max(2, threads) || !network.IsByRows || !ropes.Full.ByPosition || !ropes.Sliding.ByPosition ? null
            : new LayerPipeline(network, context, ropes, last, beginnings, caches, blocks);
    }

    private LayerPipeline(Network network, EngineContext context, LayerRopes ropes, QueryRows last, SharedBeginnings? beginnings,
        KeyValueCache[]? caches, int blocks)
    {
        (_layers, _configuration, _context, _ropes) = (network.Layers, network.Configuration, context, ropes);
        (_blocks, _done, _slots) = (new Block[blocks], new int[blocks], new (LayerActivations, LayerActivations)[context.Workers.Threads]);
        var batch = context.Batch;
        (_whole, _beginnings, _caches) = (beginnings?.Whole ?? batch, beginnings, caches);

        var firsts = new int[blocks + 1];
        for (var b = 0; b < blocks; b++) firsts[b] = (int)((long)batch.Rows * b / blocks) / RowStep * RowStep;
        firsts[blocks] = batch.Rows;
        for (int b = 0, firstLast = 0; b < blocks; b++)
        {
            var part = PackedBatch.CreatePart(batch, firsts[b], firsts[b + 1] - firsts[b]);
            var (all, lastRows) = (QueryRows.All(part), last.Within(part));
            _blocks[b] = new Block(firsts[b], context with { Batch = part, Rows = all }, all.In(_whole), firstLast, lastRows,
                lastRows.In(_whole), Needs(b, part));
            firstLast += lastRows.Rows;
        }

        int[] Needs(int block, PackedBatch part)
        {
            var needs = new List<int>(block + 1) { block };
            for (var s = 0; s < part.Count; s++)
            {
                if (part.Length(s) == 0) continue;
                var seen = _whole.Starts[s] + part.Positions[part.Starts[s + 1] - 1] + 1;
                for (int row = _whole.Starts[s], owner = block; row < seen; row++)
                {
                    var source = beginnings?.Source(row) ?? row;
                    if (source < 0 || (source >= firsts[owner] && source < firsts[owner + 1])) continue; // a cache's come with the first own row
                    var found = Array.BinarySearch(firsts, source);
                    owner = found >= 0 ? found : ~found - 1;
                    if (!needs.Contains(owner)) needs.Add(owner);
                }
            }
            return [.. needs];
        }
    }

    /// <summary>Computes inputs[i + 1], the output of layer i, from inputs[i]; once.</summary>
    /// <param name="inputs">The inputs of every layer and the last one's output. Two layers apart, they may be the same matrix.</param>
    /// <param name="activations">Receive what the backward pass needs; null for a layer that stores nothing.</param>
    /// <param name="cancellationToken">Observed in every task.</param>
    public void Run(Matrix[] inputs, LayerActivations?[] activations, CancellationToken cancellationToken)
    {
        if (Array.Exists(activations, stored => stored is null))
        {
            _query = _context.Rent(_context.Batch.Rows, _configuration.HeadCount * _configuration.HeadSize);
            _keys = new LayerKeys(_context, _configuration, _beginnings, _caches);
        }
        _context.Workers.For((_layers.Length + 1) * _blocks.Length, (pipeline: this, inputs, activations, cancellationToken),
            static (loop, task) => loop.pipeline.Run(task, loop.inputs, loop.activations, loop.cancellationToken));
    }

    public void Dispose()
    {
        foreach (var (own, _) in _slots) own?.Dispose();
        _keys?.Dispose();
        if (_query is { } query) _context.Return(query);
    }

    private void Run(int task, Matrix[] inputs, LayerActivations?[] activations, CancellationToken cancellationToken)
    {
        var (level, index) = Math.DivRem(task, _blocks.Length);
        var block = _blocks[index];
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!Wait(level, block)) return;
            if (level > 0) Complete(level - 1, block, inputs, activations[level - 1]);
            if (level < _layers.Length) Project(level, block, inputs[level], activations[level]);
            Volatile.Write(ref _done[index], level + 1);
        }
        catch
        {
            _failed = true; // nobody is to wait for this block
            throw;
        }
    }

    /// <summary>Waits until a task can run; returns false if another one has failed.</summary>
    private bool Wait(int level, Block block)
    {
        foreach (var needed in block.Needs)
        {
            if (!WaitFor(needed, level)) return false;
        }
        // The keys of a layer overwrite others, which the tasks of the level above theirs have read.
        for (var other = 0; level >= LayerKeys.Layers && other < _blocks.Length; other++)
        {
            if (!WaitFor(other, level - LayerKeys.Layers + 2)) return false;
        }
        return true;
    }

    private bool WaitFor(int block, int levels)
    {
        for (var spin = new SpinWait(); Volatile.Read(ref _done[block]) < levels; spin.SpinOnce(sleep1Threshold: -1))
        {
            if (_failed) return false;
        }
        return true;
    }

    /// <summary>Projects the queries, keys and values of a layer from its input.</summary>
    private void Project(int index, Block block, Matrix input, LayerActivations? stored)
    {
        var (layer, a) = (_layers[index], View(index, block, stored));
        var context = block.Context with { Workers = _context.Workers.Alone };
        layer.Project(context, context with { Rows = RowsOf(index, block) }, _ropes.Of(layer), input.RowRange(block.FirstRow, block.Rows), a);
        if (stored is null) _keys!.Add(index, block.FirstRow, a.Key, a.Value);
    }

    /// <summary>Computes a layer's output: attention and what follows it.</summary>
    private void Complete(int index, Block block, Matrix[] inputs, LayerActivations? stored)
    {
        var (layer, rows) = (_layers[index], RowsOf(index, block));
        if (rows.Rows == 0) return;
        var a = View(index, block, stored);
        var context = block.Context with { Workers = _context.Workers.Alone, Rows = rows };
        var (key, value) = stored is null ? _keys!.Of(index) : (stored.Key, stored.Value);
        layer.Attention.Forward(context with { Batch = _whole, Rows = IsLast(index) ? block.LastWhole : block.Whole }, a.Query, key, value,
            a.Attended, a.LogSums);
        layer.Complete(context, inputs[index].RowRange(block.FirstRow, block.Rows), a, inputs[index + 1].RowRange(FirstOf(index, block), rows.Rows));
    }

    private bool IsLast(int layer) => layer == _layers.Length - 1;

    /// <summary>The rows of a block that a layer computes.</summary>
    private QueryRows RowsOf(int layer, Block block) => IsLast(layer) ? block.Last : block.Context.Rows;

    /// <summary>The first row of a block in the output of a layer.</summary>
    private int FirstOf(int layer, Block block) => IsLast(layer) ? block.FirstLast : block.FirstRow;

    /// <summary>
    /// A block's rows of the activations of a layer: of those stored, or else the thread's own but for queries, keys and values, which other tasks
    /// read.
    /// </summary>
    private LayerActivations View(int index, Block block, LayerActivations? stored)
    {
        ref var slot = ref _slots[Workers.Slot];
        slot.View ??= new LayerActivations();
        var queries = RowsOf(index, block).Rows;
        if (stored is not null)
        {
            slot.View.Show(stored, block.FirstRow, block.Rows, FirstOf(index, block), queries);
            return slot.View;
        }
        slot.Own ??= new LayerActivations(_blocks.MaxBy(other => other.Rows)!.Context, _configuration, _blocks.Max(other => other.Rows));
        slot.View.Show(slot.Own, 0, block.Rows, 0, queries);
        var (key, value) = _keys!.Of(index);
        slot.View.Place(_query!.Value.RowRange(block.FirstRow, queries),
            _keys.AreInPlace ? key.RowRange(block.FirstRow, block.Rows) : slot.View.Key,
            _keys.AreInPlace ? value.RowRange(block.FirstRow, block.Rows) : slot.View.Value);
        return slot.View;
    }
}
