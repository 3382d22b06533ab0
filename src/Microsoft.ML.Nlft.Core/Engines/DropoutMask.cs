using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Defines which inputs of a LoRA module dropout drops: those whose hash of (sequence seed, module, position, feature) lies below a threshold. No
/// mask is stored: the backward pass computes the same one, which depends neither on threads, nor on the other sequences of a batch, nor on the
/// engine. Inputs that are kept are multiplied by 1 / (1 - probability).
/// </summary>
public static class DropoutMask
{
    /// <summary>The step of the hash's input from one feature to the next: 2^32 divided by the golden ratio.</summary>
    public const uint FeatureStep = 0x9E3779B9;

    /// <summary>The hash's first factor, between shifts by 16 and 15 (Wellons, "Prospecting for hash functions", 2018: lowbias32).</summary>
    public const uint FirstFactor = 0x7FEB352D;

    /// <summary>The hash's second factor, between shifts by 15 and 16.</summary>
    public const uint SecondFactor = 0x846CA68B;

    /// <summary>Gives the key that all masks of a module share.</summary>
    /// <param name="module">The module's path, for example <c>model.layers.0.mlp.gate_proj</c>.</param>
    public static ulong ModuleKey(string module) => SplitMix64.Hash(module.AsSpan());

    /// <summary>Gives the key that all features of a row share.</summary>
    /// <param name="sequenceSeed"><see cref="TokenSequence.DropoutSeed"/>.</param>
    /// <param name="moduleKey">What <see cref="ModuleKey"/> gives.</param>
    /// <param name="position">The row's position within its sequence, from 0.</param>
    public static uint RowKey(ulong sequenceSeed, ulong moduleKey, int position) => (uint)SplitMix64.Hash(sequenceSeed, moduleKey, (ulong)position);

    /// <summary>Gives the threshold below which a hash drops its feature.</summary>
    /// <param name="probability">The share of features to drop, in [0, 1).</param>
    public static uint Threshold(double probability) => (uint)(probability * uint.MaxValue);

    /// <summary>Tells whether a feature is kept: the definition.</summary>
    /// <param name="rowKey">What <see cref="RowKey"/> gives.</param>
    /// <param name="feature">The feature's index, from 0.</param>
    /// <param name="threshold">What <see cref="Threshold"/> gives.</param>
    public static bool IsKept(uint rowKey, uint feature, uint threshold)
    {
        var x = feature * FeatureStep ^ rowKey;
        x = (x ^ x >> 16) * FirstFactor;
        x = (x ^ x >> 15) * SecondFactor;
        return (x ^ x >> 16) >= threshold;
    }
}
