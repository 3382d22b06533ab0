namespace Microsoft.ML.Nlft.Scale;

/// <summary>A sum that was measured.</summary>
internal sealed record MeasuredSum(int Processes, double Bytes, Link Link, double Seconds)
{
    /// <summary>The algorithm that the library was told to use; null: the one it uses by itself.</summary>
    public SumAlgorithm? Told { get; init; }

    /// <summary>How far a prediction is off, as a share of what was measured.</summary>
    /// <param name="algorithm">What the library uses when it is told nothing.</param>
    /// <param name="overhead">What messages cost.</param>
    public double Error(SumAlgorithm algorithm, Overhead overhead) => CostModel.Sum(Told ?? algorithm, Processes, Bytes, Link, overhead) / Seconds - 1;
}

/// <summary>Fits what is not known of the cost of messages.</summary>
internal static class Fit
{
    /// <summary>The overhead that makes the squared relative errors least; neither part is below zero.</summary>
    /// <param name="measured">Sums of different lengths: two or more.</param>
    /// <param name="algorithm">How they were formed.</param>
    public static Overhead Overhead(IReadOnlyList<MeasuredSum> measured, SumAlgorithm algorithm)
    {
        // seconds - known = latencies * a + factor * bytes * b; each equation divided by its seconds.
        var none = new Overhead(0, 0);
        var rows = measured.Select(one => (X: SumCost.Latencies(algorithm, one.Processes, one.Bytes) / one.Seconds, Y: SumCost.Factor(algorithm, one.Processes) * one.Bytes / one.Seconds,
            Z: 1 - CostModel.Sum(algorithm, one.Processes, one.Bytes, one.Link, none) / one.Seconds)).ToList();
        double xx = rows.Sum(row => row.X * row.X), xy = rows.Sum(row => row.X * row.Y), yy = rows.Sum(row => row.Y * row.Y), xz = rows.Sum(row => row.X * row.Z), yz = rows.Sum(row => row.Y * row.Z);
        var determinant = xx * yy - xy * xy;
        var (a, b) = determinant > 1e-12 * xx * yy ? ((xz * yy - yz * xy) / determinant, (yz * xx - xz * xy) / determinant) : (xz / xx, 0);
        if (a < 0) (a, b) = (0, Math.Max(0, yz / yy));
        else if (b < 0) (a, b) = (Math.Max(0, xz / xx), 0);
        return new Overhead(a, b);
    }

    /// <summary>The algorithm that the measurements speak for: the one whose fit leaves the least error.</summary>
    public static SumAlgorithm Algorithm(IReadOnlyList<MeasuredSum> measured) => Enum.GetValues<SumAlgorithm>().MinBy(algorithm =>
    {
        var overhead = Overhead(measured, algorithm);
        return measured.Sum(one => Math.Pow(one.Error(algorithm, overhead), 2));
    });
}
