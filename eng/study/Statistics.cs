namespace Microsoft.ML.Nlft.Study;

/// <summary>A mean with its 95 % interval.</summary>
internal readonly record struct Estimate(double Mean, double Lower, double Upper);

/// <summary>Means and intervals over seeds.</summary>
internal static class Statistics
{
    // Two-sided 95 % quantiles of Student's t for 1, 2, ... 30 degrees of freedom (NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
    private static readonly double[] s_student =
    [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ];

    /// <summary>
    /// The mean of the seeds' accuracies: Student's interval over seeds, or Wilson's over the test problems when there is one seed.
    /// </summary>
    public static Estimate Accuracy(IReadOnlyList<RunResult> seeds)
    {
        if (seeds.Count > 1)
        {
            var interval = Mean([.. seeds.Select(seed => seed.Accuracy)]);
            return interval with { Lower = Math.Max(0, interval.Lower), Upper = Math.Min(1, interval.Upper) };
        }
        const double z = 1.959963984540054;
        var (n, p) = (seeds[0].Total, seeds[0].Accuracy);
        var centre = (p + z * z / (2 * n)) / (1 + z * z / n);
        var half = z / (1 + z * z / n) * Math.Sqrt(p * (1 - p) / n + z * z / (4.0 * n * n));
        return new(p, Math.Max(0, centre - half), Math.Min(1, centre + half));
    }

    /// <summary>A mean with Student's interval; without limits when there is one value.</summary>
    public static Estimate Mean(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        if (values.Count < 2) return new(mean, double.NegativeInfinity, double.PositiveInfinity);
        var deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
        var half = s_student[Math.Min(values.Count - 1, s_student.Length) - 1] * deviation / Math.Sqrt(values.Count);
        return new(mean, mean - half, mean + half);
    }
}
