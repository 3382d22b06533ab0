using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Sequences of a batch that begin alike, such as questions under one system prompt, or the contexts of a row, or whose beginning a cache holds: the
/// network computes a common beginning once, as rows of one of them, and a cached one not at all; attention reads its keys and values for all. What a
/// token's row holds depends on the tokens up to it alone, so the results are those of whole sequences, to the bit.
/// </summary>
internal sealed class SharedBeginnings : IWiderAttention
{
    private readonly IReadOnlyList<KeyValueCache> _caches;

    /// <summary>For every row of the whole sequences, the row of Own that holds the same, or ~s where the cache of sequence s does.</summary>
    private readonly int[] _sources;

    private SharedBeginnings(PackedBatch whole, PackedBatch own, int[] sources, IReadOnlyList<KeyValueCache> caches) =>
        (Whole, Own, _sources, _caches) = (whole, own, sources, caches);

    /// <summary>The batch of whole sequences.</summary>
    public PackedBatch Whole { get; }

    /// <summary>The rows that the network computes: the end of every sequence, one row at least.</summary>
    public PackedBatch Own { get; }

    /// <summary>Finds common beginnings.</summary>
    /// <param name="whole">The batch of whole sequences.</param>
    /// <param name="most">The most positions that each may have in common with others, fewer than its tokens.</param>
    /// <param name="configuration">The model.</param>
    /// <param name="caches">A cache for each sequence, which may hold its beginning, of fewer positions than its tokens; null: none.</param>
    /// <returns>Null if there are none. A sequence whose rotation depends on its length has nothing in common with others.</returns>
    public static SharedBeginnings? Of(PackedBatch whole, ReadOnlySpan<int> most, ModelConfiguration configuration,
        IReadOnlyList<KeyValueCache>? caches = null)
    {
        int[] order = [.. Enumerable.Range(0, whole.Count)];
        int[] cached = [.. order.Select(s => caches?[s].Length(0) ?? 0)];
        if (whole.Count < 2 && cached[0] == 0) return null;

        // In the order of their tokens, no other sequence has a longer beginning in common with one than its neighbours have.
        Array.Sort(order, (a, b) => Tokens(a).SequenceCompareTo(Tokens(b)));
        int[] firsts = [.. cached];
        for (var i = 1; i < order.Length; i++)
        {
            var common = IsAlone(order[i]) || IsAlone(order[i - 1]) ? 0 : Tokens(order[i]).CommonPrefixLength(Tokens(order[i - 1]));
            firsts[order[i]] = Math.Max(cached[order[i]], Math.Min(common, most[order[i]]));
        }
        if (Array.TrueForAll(firsts, first => first == 0)) return null;

        var own = PackedBatch.CreateEnds(whole, firsts);
        var sources = new int[whole.Rows];
        for (var i = 0; i < order.Length; i++)
        {
            var s = order[i];
            var rows = sources.AsSpan(whole.Starts[s], whole.Length(s));
            if (firsts[s] > cached[s]) sources.AsSpan(whole.Starts[order[i - 1]], firsts[s]).CopyTo(rows);
            else rows[..firsts[s]].Fill(~s);
            for (var position = firsts[s]; position < rows.Length; position++) rows[position] = own.Starts[s] + position - firsts[s];
        }
        return new SharedBeginnings(whole, own, sources, caches ?? []);

        bool IsAlone(int sequence) => RopeFrequencies.DependOnLength(configuration, whole.Length(sequence));

        ReadOnlySpan<int> Tokens(int sequence) => whole.Tokens.AsSpan(whole.Starts[sequence], whole.Length(sequence));
    }

    /// <summary>The row of <see cref="Own"/> that holds what a row of <see cref="Whole"/> does; negative where a cache does.</summary>
    public int Source(int row) => _sources[row];

    /// <summary>The rows of <see cref="Whole"/> that a row of <see cref="Own"/> stands for: Rows[Starts[row]] to Rows[Starts[row + 1] - 1].</summary>
    public (int[] Starts, int[] Rows) Places()
    {
        var starts = new int[Own.Rows + 1];
        foreach (var source in _sources)
        {
            if (source >= 0) starts[source]++;
        }
        for (var row = 0; row < Own.Rows; row++) starts[row + 1] += starts[row];
        var rows = new int[starts[^1]];
        for (var row = Whole.Rows - 1; row >= 0; row--)
        {
            if (_sources[row] is >= 0 and var source) rows[--starts[source]] = row; // from the end of its rows, which becomes their start
        }
        return (starts, rows);
    }

    /// <summary>Attention of the queries of <see cref="Own"/> over whole sequences.</summary>
    public void Attend(EngineContext context, DecoderLayer layer, LayerActivations a)
    {
        using var whole = Expand(context, layer, a);
        layer.Attention.Forward(whole.Context, a.Query, whole.Key, whole.Value, a.Attended, a.LogSums);
    }

    /// <summary>Returns keys and values of whole sequences, to be disposed, and the context of the same queries among them.</summary>
    public Expanded Expand(EngineContext context, DecoderLayer layer, LayerActivations a)
    {
        Matrix key = context.Rent(Whole.Rows, a.Key.Columns), value = context.Rent(Whole.Rows, a.Value.Columns);
        context.ForRows(Whole.Rows, (shared: this, layer.Index, a.Key, a.Value, key, value), static (loop, row) =>
        {
            var source = loop.shared._sources[row];
            if (source < 0)
            {
                loop.shared._caches[~source].Load(loop.Index, loop.shared.Whole.Positions[row], loop.key[row], loop.value[row]);
                return;
            }
            loop.Key[source].CopyTo(loop.key[row]);
            loop.Value[source].CopyTo(loop.value[row]);
        });
        return new(context with { Batch = Whole, Rows = context.Rows.In(Whole) }, key, value);
    }

    /// <summary>Keys and values [N x kvHeads d] of whole sequences.</summary>
    public sealed record Expanded(EngineContext Context, Matrix Key, Matrix Value) : IDisposable
    {
        public void Dispose()
        {
            Context.Return(Key);
            Context.Return(Value);
        }
    }
}
