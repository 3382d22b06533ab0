using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The keys (after RoPE) and values of B sequences in every layer: [B, capacity, kvHeads, d], where slot i of a sequence is its position i.
/// The capacity doubles when it is exhausted.
/// </summary>
internal sealed class KeyValueCache(ModelConfiguration configuration, DeviceContext context, int sequences, int capacity) : IDisposable
{
    private readonly Tensor?[] _keys = new Tensor?[configuration.LayerCount], _values = new Tensor?[configuration.LayerCount];

    public int Capacity { get; private set; } = capacity;

    /// <summary>Stores the keys and values of whole sequences, from the number of the first one on, k and v [N, kvHeads, d].</summary>
    public void Store(int layer, int firstSequence, PackedBatch batch, Tensor k, Tensor v)
    {
        foreach (var (store, values) in ((Tensor?[], Tensor)[])[(_keys, k), (_values, v)])
        {
            var cache = store[layer] ??= Allocate();
            for (var s = 0; s < batch.Count; s++)
                cache.select(0, firstSequence + s).narrow(0, 0, batch.Length(s)).copy_(values.narrow(0, batch.Starts[s], batch.Length(s)));
        }
    }

    /// <summary>Stores one key and value per sequence, k and v [B, kvHeads, d], at slots [B] of the cache, a view [B capacity, kvHeads, d].</summary>
    public void Append(int layer, Tensor slots, Tensor k, Tensor v)
    {
        _keys[layer]!.flatten(0, 1).index_copy_(0, slots, k);
        _values[layer]!.flatten(0, 1).index_copy_(0, slots, v);
    }

    /// <summary>Returns the first <paramref name="length"/> slots of one layer: keys and values, [B, kvHeads, length, d].</summary>
    public (Tensor Keys, Tensor Values) Layer(int layer, int length) =>
        (_keys[layer]!.narrow(1, 0, length).transpose(1, 2), _values[layer]!.narrow(1, 0, length).transpose(1, 2));

    /// <summary>Makes room for at least <paramref name="length"/> positions.</summary>
    public void Reserve(int length)
    {
        if (length <= Capacity) return;
        var old = Capacity;
        Capacity = (int)Math.Min(configuration.MaximumPositions, Math.Max(length, 2L * Capacity));
        foreach (var store in (Tensor?[][])[_keys, _values])
        {
            for (var layer = 0; layer < store.Length; layer++)
            {
                var extended = Allocate();
                extended.narrow(1, 0, old).copy_(store[layer]!);
                store[layer]!.Dispose();
                store[layer] = extended;
            }
        }
    }

    public void Dispose()
    {
        foreach (var tensor in _keys.Concat(_values)) tensor?.Dispose();
    }

    private Tensor Allocate() =>
        zeros(sequences, Capacity, configuration.KeyValueHeadCount, configuration.HeadSize, context.ComputeType, context.Device)
            .DetachFromDisposeScope();
}
