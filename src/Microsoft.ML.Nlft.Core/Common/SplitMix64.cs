namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014): a generator with 64 bits of state whose
/// output function is also a good hash. It gives the same numbers on every platform and runtime, which System.Random does not guarantee.
/// </summary>
internal struct SplitMix64(ulong seed)
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;

    private ulong _state = seed;

    /// <summary>Draws the next 64 random bits.</summary>
    public ulong Next() => Mix(_state += GoldenGamma);

    /// <summary>Draws a number in [0, 1) with 53 random bits.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Draws an integer in [0, <paramref name="bound"/>) without bias: values in the incomplete last block are rejected.</summary>
    public int NextBelow(int bound)
    {
        var range = (ulong)bound;
        var firstUnbiased = (0 - range) % range; // 2^64 mod range
        ulong bits;
        do bits = Next(); while (bits < firstUnbiased);
        return (int)(bits % range);
    }

    /// <summary>Hashes several numbers, sensitive to their order, into the seed of the stream that they name.</summary>
    public static ulong Hash(params ReadOnlySpan<ulong> parts)
    {
        ulong hash = 0;
        foreach (var part in parts) hash = Mix((hash + GoldenGamma) ^ Mix(part + GoldenGamma));
        return hash;
    }

    /// <summary>Hashes a name.</summary>
    public static ulong Hash(ReadOnlySpan<char> name)
    {
        ulong hash = 0;
        foreach (var character in name) hash = Mix((hash + GoldenGamma) ^ character);
        return hash;
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
