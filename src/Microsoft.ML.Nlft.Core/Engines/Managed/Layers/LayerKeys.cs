using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The keys and values [N x kvHeads d] of whole sequences in the few layers that a <see cref="LayerPipeline"/> is at. What sequences have in common
/// is written for all of them, what caches hold is read from them, and what they lack is stored there.
/// </summary>
internal sealed class LayerKeys : IDisposable
{
    /// <summary>The keys of a layer take the place of those of the layer that many below.</summary>
    public const int Layers = 3;

    private readonly EngineContext _context;
    private readonly SharedBeginnings? _beginnings;
    private readonly PackedBatch _whole;
    private readonly int[] _placeStarts, _places; // the rows of the whole sequences that a row of the batch stands for; empty if each does for itself
    private readonly KeyValueCache[] _caches;
    private readonly int[] _kept; // positions of each sequence that its cache has
    private readonly (Matrix Key, Matrix Value)[] _layers = new (Matrix, Matrix)[Layers];

    /// <param name="context">The batch whose rows are computed.</param>
    /// <param name="configuration">The model.</param>
    /// <param name="beginnings">What its sequences have in common or in a cache, if it is their ends.</param>
    /// <param name="caches">A cache to fill for each sequence, which may hold its beginning; null: none.</param>
    public LayerKeys(EngineContext context, ModelConfiguration configuration, SharedBeginnings? beginnings, KeyValueCache[]? caches)
    {
        (_context, _beginnings, _caches, _whole) = (context, beginnings, caches ?? [], beginnings?.Whole ?? context.Batch);
        (_placeStarts, _places) = beginnings?.Places() ?? ([], []);
        _kept = Array.ConvertAll(_caches, cache => cache.Length(0));
        for (var s = 0; s < _caches.Length; s++)
        {
            for (var layer = 0; layer < configuration.LayerCount; layer++) _caches[s].Extend(layer, _whole.Length(s) - _kept[s]);
        }
        var columns = configuration.KeyValueHeadCount * configuration.HeadSize;
        for (var i = 0; i < Layers; i++) _layers[i] = (context.Rent(_whole.Rows, columns), context.Rent(_whole.Rows, columns));
    }

    /// <summary>Whether a row of the batch is that of the whole sequences: what is projected is in its place.</summary>
    public bool AreInPlace => _beginnings is null;

    /// <summary>The keys and values of a layer.</summary>
    public (Matrix Key, Matrix Value) Of(int layer) => _layers[layer % Layers];

    /// <summary>Takes what was projected for rows of the batch, and what caches hold of the sequences that begin there.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="first">The first row.</param>
    /// <param name="key">The keys, which are in <see cref="Of"/> already if <see cref="AreInPlace"/>.</param>
    /// <param name="value">The values.</param>
    public void Add(int layer, int first, Matrix key, Matrix value)
    {
        if (_beginnings is not { } beginnings)
        {
            for (var row = first; row < first + key.Rows && _caches.Length > 0; row++) Store(layer, SequenceOf(_whole, row), row);
            return;
        }
        var (keys, values) = Of(layer);
        for (var row = 0; row < key.Rows; row++)
        {
            foreach (var place in _places.AsSpan(_placeStarts[first + row].._placeStarts[first + row + 1]))
            {
                key[row].CopyTo(keys[place]);
                value[row].CopyTo(values[place]);
                if (_caches.Length > 0) Store(layer, SequenceOf(_whole, place), place);
            }
        }
        for (var s = 0; s < _caches.Length; s++)
        {
            if (_context.Batch.Starts[s] < first || _context.Batch.Starts[s] >= first + key.Rows) continue;
            for (var row = _whole.Starts[s]; row < _whole.Starts[s + 1]; row++)
            {
                if (beginnings.Source(row) is not (< 0 and var cache)) continue;
                _caches[~cache].Load(layer, _whole.Positions[row], keys[row], values[row]);
                Store(layer, s, row);
            }
        }
    }

    public void Dispose()
    {
        foreach (var (key, value) in _layers)
        {
            _context.Return(key);
            _context.Return(value);
        }
    }

    /// <summary>Stores a row of the whole sequences in the cache of its sequence, if that lacks it.</summary>
    private void Store(int layer, int sequence, int row)
    {
        var position = _whole.Positions[row];
        if (position < _kept[sequence]) return;
        var (key, value) = Of(layer);
        _caches[sequence].StoreRow(layer, position, key[row], value[row]);
    }

    private static int SequenceOf(PackedBatch batch, int row)
    {
        var found = Array.BinarySearch(batch.Starts, row);
        return found >= 0 ? found : ~found - 1; // whole sequences have at least one row, so starts differ
    }
}
