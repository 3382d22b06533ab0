using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Which inputs of a LoRA module dropout drops: those whose hash of (sequence seed, module, position, feature) lies below a threshold. Nothing is stored, the
/// backward pass finds the same mask again, and it depends neither on threads, nor on how sequences share a batch, nor on the engine: each computes these
/// formulas in its own vectors.
/// </summary>
internal static class DropoutMask
{
    /// <summary>What one feature adds to the next one's input of the hash: 2^32 divided by the golden ratio.</summary>
    public const uint FeatureStep = 0x9E3779B9;

    /// <summary>The factors of the hash, between shifts by 16, 15 and 16 (Wellons, "Prospecting for hash functions", 2018: lowbias32).</summary>
    public const uint FirstFactor = 0x7FEB352D, SecondFactor = 0x846CA68B;

    /// <summary>What all masks of a module share, from its path, for example model.layers.0.mlp.gate_proj.</summary>
    public static ulong ModuleKey(string module) => SplitMix64.Hash(module.AsSpan());

    /// <summary>What all features of a row share.</summary>
    public static uint RowKey(ulong sequenceSeed, ulong moduleKey, int position) => (uint)SplitMix64.Hash(sequenceSeed, moduleKey, (ulong)position);

    /// <summary>Hashes below it are dropped.</summary>
    public static uint Threshold(double probability) => (uint)(probability * uint.MaxValue);

    /// <summary>Whether a feature is kept: the definition.</summary>
    public static bool IsKept(uint rowKey, uint feature, uint threshold)
    {
        var x = feature * FeatureStep ^ rowKey;
        x = (x ^ x >> 16) * FirstFactor;
        x = (x ^ x >> 15) * SecondFactor;
        return (x ^ x >> 16) >= threshold;
    }
}
