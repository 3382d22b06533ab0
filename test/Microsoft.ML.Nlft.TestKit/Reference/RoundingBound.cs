namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Bounds how far an engine that stores bfloat16 may be from the exact results. The bound is computed, not observed: the oracle computes everything
/// exactly and <see cref="Samples"/> times with random rounding, and the engine's result may lie <see cref="Factor"/> times as far from the exact one
/// as the farthest sample. It holds for every order in which a processor sums, and for every model, however strongly that amplifies rounding.
/// </summary>
public sealed class RoundingBound
{
    /// <summary>How often the oracle computes with random rounding.</summary>
    public const int Samples = 8;

    /// <summary>
    /// The distance of the engine is a draw like those of the samples, from a wider distribution: where the oracle rounds an array once, an engine
    /// rounds up to three times (both products and the difference in a rotary embedding), which is sqrt(3) of spread. Another sqrt(3) covers what
    /// eight draws miss.
    /// </summary>
    public const double Factor = 3;

    private readonly IReadOnlyDictionary<string, double[]> _exact;
    private readonly IReadOnlyDictionary<string, double[]>[] _samples;

    /// <summary>Computes results exactly and with random rounding.</summary>
    /// <param name="compute">Computes named results with the oracle; the names are the same every time.</param>
    public RoundingBound(Func<Rounding, IReadOnlyDictionary<string, double[]>> compute)
    {
        _exact = compute(Rounding.None);
        _samples = [.. Enumerable.Range(1, Samples).Select(seed => compute(Rounding.BFloat16(seed)))];
    }

    /// <summary>Fails when a result is too far from the exact one, in the Euclidean norm.</summary>
    /// <param name="actual">The engine's results, under the oracle's names.</param>
    /// <param name="what">Names the model in messages.</param>
    public void CheckDistances(IReadOnlyDictionary<string, double[]> actual, string what)
    {
        CollectionAssert.AreEquivalent(_exact.Keys.ToArray(), actual.Keys.ToArray(), what);
        foreach (var (name, exact) in _exact)
        {
            Assert.HasCount(exact.Length, actual[name], $"{what} {name}");
            var bound = Factor * _samples.Max(sample => Distance(exact, sample[name]));
            Assert.IsLessThanOrEqualTo(bound, Distance(exact, actual[name]),
                $"{what}: distance of {name} from the exact result, which has length {Length(exact)}");
        }
    }

    /// <summary>Fails when all results together point too far away from the exact direction.</summary>
    /// <inheritdoc cref="CheckDistances"/>
    public void CheckDirection(IReadOnlyDictionary<string, double[]> actual, string what)
    {
        var bound = Factor * _samples.Max(Angle);
        Assert.IsLessThanOrEqualTo(bound, Angle(actual), $"{what}: angle to the exact direction");

        double Angle(IReadOnlyDictionary<string, double[]> results)
        {
            double[] x = [.. _exact.Values.SelectMany(values => values)], y = [.. _exact.Keys.SelectMany(name => results[name])];
            return Math.Acos(Math.Clamp(x.Zip(y, (a, b) => a * b).Sum() / (Length(x) * Length(y)), -1, 1));
        }
    }

    private static double Distance(double[] x, double[] y) => Length([.. x.Zip(y, (a, b) => a - b)]);

    private static double Length(double[] x) => Math.Sqrt(x.Sum(value => value * value));
}
