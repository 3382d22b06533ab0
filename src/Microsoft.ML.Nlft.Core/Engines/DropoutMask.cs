using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Defines which inputs of a LoRA module dropout drops, by multiplicative hashing: those for which the product of a key of the row (sequence seed,
/// position, module) and a key of the feature, modulo 2^32 and taken as a signed number, lies below a threshold. No mask is stored: the backward
/// pass computes the same one, which depends neither on threads, nor on the other sequences of a batch, nor on the engine. Inputs that are kept are
/// multiplied by 1 / (1 - probability).
/// </summary>
public static class DropoutMask
{
    /// <summary>The first factor of <see cref="Mix"/>.</summary>
    public const uint FirstFactor = 0x7FEB352D;

    /// <summary>The second factor of <see cref="Mix"/>.</summary>
    public const uint SecondFactor = 0x846CA68B;

    private const uint FeatureStep = 0x9E3779B9; // 2^32 divided by the golden ratio

    /// <summary>Gives the key of a module.</summary>
    /// <param name="module">The module's path, for example <c>model.layers.0.mlp.gate_proj</c>.</param>
    public static uint ModuleKey(string module) => (uint)SplitMix64.Hash(module.AsSpan());

    /// <summary>Gives the key of a row, which all modules share.</summary>
    /// <param name="sequenceSeed"><see cref="TokenSequence.DropoutSeed"/>.</param>
    /// <param name="position">The row's position within its sequence, from 0.</param>
    public static uint PositionKey(ulong sequenceSeed, int position) => (uint)SplitMix64.Hash(sequenceSeed, (ulong)position);

    /// <summary>Gives the key of a row in a module, an odd number.</summary>
    /// <param name="positionKey">What <see cref="PositionKey"/> gives.</param>
    /// <param name="moduleKey">What <see cref="ModuleKey"/> gives.</param>
    public static int RowKey(uint positionKey, uint moduleKey) => (int)(Mix(positionKey ^ moduleKey) | 1);

    /// <summary>Gives the keys of the first features, odd numbers, the same for every row and module.</summary>
    /// <param name="count">The number of features.</param>
    public static int[] FeatureKeys(int count)
    {
        var keys = new int[count];
        for (var feature = 0; feature < count; feature++) keys[feature] = (int)(Mix(((uint)feature + 1) * FeatureStep) | 1);
        return keys;
    }

    /// <summary>Gives the threshold below which a product drops its feature.</summary>
    /// <param name="probability">The share of features to drop, in [0, 1).</param>
    public static int Threshold(double probability) => (int)(int.MinValue + (long)(probability * (1L << 32)));

    /// <summary>Tells whether a feature is kept: the definition.</summary>
    /// <param name="rowKey">What <see cref="RowKey"/> gives.</param>
    /// <param name="featureKey">The feature's one of <see cref="FeatureKeys"/>.</param>
    /// <param name="threshold">What <see cref="Threshold"/> gives.</param>
    public static bool IsKept(int rowKey, int featureKey, int threshold) => unchecked(rowKey * featureKey) >= threshold;

    /// <summary>Mixes 32 bits (Wellons, "Prospecting for hash functions", 2018: lowbias32).</summary>
    /// <param name="x">The bits.</param>
    public static uint Mix(uint x)
    {
        x = (x ^ x >> 16) * FirstFactor;
        x = (x ^ x >> 15) * SecondFactor;
        return x ^ x >> 16;
    }
}
