using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The keys (after RoPE) and values of one sequence in every layer, with room for the tokens still to come. Head by head, keys lie transposed,
/// [d x capacity], and values upright, [capacity x d], so that one new query meets both in whole vectors.
/// </summary>
internal sealed class KeyValueCache
{
    private readonly int _heads, _size;
    private readonly (float[] Keys, float[] Values, int Length)[] _layers;

    public KeyValueCache(ModelConfiguration configuration, int tokens)
    {
        (_heads, _size) = (configuration.KeyValueHeadCount, configuration.HeadSize);
        Capacity = (tokens + Block - 1) / Block * Block;
        _layers = new (float[], float[], int)[configuration.LayerCount];
        for (var i = 0; i < _layers.Length; i++) _layers[i] = (new float[_heads * _size * Capacity], new float[_heads * _size * Capacity], 0);
    }

    /// <summary>Positions are read in blocks of this many; those beyond the length hold nothing of meaning.</summary>
    public const int Block = 32;

    /// <summary>Number of positions there is room for, a multiple of <see cref="Block"/>.</summary>
    public int Capacity { get; }

    /// <summary>Adds rows [n x heads d] to one layer.</summary>
    public void Append(int layer, Matrix keys, Matrix values)
    {
        ref var cache = ref _layers[layer];
        for (var row = 0; row < keys.Rows; row++, cache.Length++)
            for (var head = 0; head < _heads; head++)
            {
                var key = keys[row].Slice(head * _size, _size);
                for (var i = 0; i < key.Length; i++) cache.Keys[(head * _size + i) * Capacity + cache.Length] = key[i];
                values[row].Slice(head * _size, _size).CopyTo(cache.Values.AsSpan((head * Capacity + cache.Length) * _size));
            }
    }

    /// <summary>Number of positions that one layer holds.</summary>
    public int Length(int layer) => _layers[layer].Length;

    /// <summary>The keys of one head, [d x capacity].</summary>
    public ReadOnlySpan<float> Keys(int layer, int head) => _layers[layer].Keys.AsSpan(head * _size * Capacity, _size * Capacity);

    /// <summary>The values of one head, [capacity x d].</summary>
    public ReadOnlySpan<float> Values(int layer, int head) => _layers[layer].Values.AsSpan(head * _size * Capacity, _size * Capacity);
}
