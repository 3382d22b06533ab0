namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Rounds at random to a number of significant bits: up or down, with probabilities that make the mean exact. Results that are computed several
/// times with it spread as far as rounding can move them, in whatever order a processor sums (Parker, Pierce and Eggert, "Monte Carlo arithmetic:
/// how to gamble with floating point and win", 2000).
/// </summary>
public sealed class Rounding
{
    private const int SignificandBits = 53, BFloat16Bits = 8;

    private readonly long _lost;
    private readonly Random? _random;

    private Rounding(int bits, int? seed)
    {
        _lost = (1L << SignificandBits - bits) - 1;
        _random = seed is { } number ? new Random(number) : null;
    }

    /// <summary>Keeps every number as it is.</summary>
    public static Rounding None { get; } = new(SignificandBits, null);

    /// <summary>Rounds to bfloat16.</summary>
    /// <param name="seed">Seeds the choice between up and down.</param>
    public static Rounding BFloat16(int seed) => new(BFloat16Bits, seed);

    /// <summary>Rounds numbers in place, at random.</summary>
    public void Apply(Span<double> values)
    {
        if (_random is null) return;
        foreach (ref var value in values) value = Truncate(value, _random.NextInt64(_lost + 1));
    }

    /// <summary>Rounds a number to the nearest, since stored weights are not rounded at random.</summary>
    public double ToNearest(double value) => _random is null ? value : Truncate(value, _lost / 2 + 1);

    private double Truncate(double value, long added) => BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(value) + added & ~_lost);
}
