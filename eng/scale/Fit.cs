namespace Microsoft.ML.Nlft.Scale;

/// <summary>A measured sum.</summary>
internal sealed record MeasuredSum(int Processes, double Bytes, Link Link, double Seconds)
{
    /// <summary>The algorithm that was configured; null: the library's default.</summary>
    public SumAlgorithm? Configured { get; init; }

    /// <summary>Returns the relative error of a prediction.</summary>
    /// <param name="algorithm">The library's default algorithm.</param>
    /// <param name="overhead">The overhead of messages.</param>
    public double Error(SumAlgorithm algorithm, Overhead overhead) =>
        CostModel.Sum(Configured ?? algorithm, Processes, Bytes, Link, overhead) / Seconds - 1;
}

/// <summary>Fits the overhead of messages to measurements.</summary>
internal static class Fit
{
    /// <summary>Returns the nonnegative overhead with the least squared relative errors.</summary>
    /// <param name="measured">Two or more sums of different lengths.</param>
    /// <param name="algorithm">Their algorithm.</param>
    public static Overhead Overhead(IReadOnlyList<MeasuredSum> measured, SumAlgorithm algorithm)
    {
        // seconds - known = latencies * a + factor * bytes * b; each equation divided by its seconds.
        var none = new Overhead(0, 0);
        var rows = measured.Select(one => (X: SumCost.Latencies(algorithm, one.Processes, one.Bytes) / one.Seconds,
            Y: SumCost.Factor(algorithm, one.Processes) * one.Bytes / one.Seconds,
            Z: 1 - CostModel.Sum(algorithm, one.Processes, one.Bytes, one.Link, none) / one.Seconds)).ToList();
        double xx = rows.Sum(row => row.X * row.X), xy = rows.Sum(row => row.X * row.Y), yy = rows.Sum(row => row.Y * row.Y),
        xz = rows.Sum(row => row.X * row.Z), yz = rows.Sum(row => row.Y * row.Z);
        var determinant = xx * yy - xy * xy;
        var (a, b) = determinant > 1e-12 * xx * yy ? ((xz * yy - yz * xy) / determinant, (yz * xx - xz * xy) / determinant) : (xz / xx, 0);
        if (a < 0) (a, b) = (0, Math.Max(0, yz / yy));
        else if (b < 0) (a, b) = (Math.Max(0, xz / xx), 0);
        return new Overhead(a, b);
    }

    /// <summary>Returns the algorithm whose fit has the least error.</summary>
    public static SumAlgorithm Algorithm(IReadOnlyList<MeasuredSum> measured) => Enum.GetValues<SumAlgorithm>().MinBy(algorithm =>
    {
        var overhead = Overhead(measured, algorithm);
        return measured.Sum(one => Math.Pow(one.Error(algorithm, overhead), 2));
    });
}
