namespace Microsoft.ML.Nlft.Common;

/// <summary>Draws initial weights: uniform and normal numbers that are the same on every machine, one stream per seed and name.</summary>
internal sealed class SeededRandom(int seed, string stream)
{
    private SplitMix64 _random = new(SplitMix64.Hash((uint)seed, SplitMix64.Hash(stream.AsSpan())));
    private double? _spare;

    /// <summary>Draws a uniform number in [0, 1), a multiple of 2^-53.</summary>
    public double NextUniform() => _random.NextDouble();

    /// <summary>Draws a standard normal number by the Box-Muller transform: sqrt(-2 ln u) (cos, sin)(2 pi v).</summary>
    public double NextGaussian()
    {
        if (_spare is { } spare)
        {
            _spare = null;
            return spare;
        }
        var radius = Math.Sqrt(-2 * Math.Log(1 - NextUniform()));
        var (sine, cosine) = Math.SinCos(2 * Math.PI * NextUniform());
        _spare = radius * sine;
        return radius * cosine;
    }
}
