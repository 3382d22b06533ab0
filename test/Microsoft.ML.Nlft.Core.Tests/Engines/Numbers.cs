using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Random matrices and comparisons.</summary>
internal static class Numbers
{
    /// <summary>Uniform in [-1, 1).</summary>
    public static Matrix Random(int rows, int columns, int seed)
    {
        var random = new Random(seed);
        var matrix = Matrix.Zeros(rows, columns);
        foreach (ref var value in matrix.Span) value = random.NextSingle() * 2 - 1;
        return matrix;
    }

    public static void AreClose(Matrix expected, Matrix actual, double tolerance, string what = "element")
    {
        for (var i = 0; i < expected.Rows; i++)
        {
            for (var j = 0; j < expected.Columns; j++)
                Assert.AreEqual(expected[i][j], actual[i][j], tolerance, $"{what} [{i}, {j}]");
        }
    }

    public static double Dot(Matrix x, Matrix y)
    {
        var sum = 0.0;
        for (var i = 0; i < x.Rows; i++)
            for (var j = 0; j < x.Columns; j++) sum += (double)x[i][j] * y[i][j];
        return sum;
    }

    /// <summary>
    /// Checks d f / d x for every element of <paramref name="x"/> against a central difference of <paramref name="f"/>, within
    /// <paramref name="tolerance"/> of the largest entry (float32 arithmetic: steps of 1e-2 balance truncation and rounding).
    /// </summary>
    public static void CheckGradient(string what, Span<float> x, ReadOnlySpan<float> gradient, Func<double> f, double tolerance = 5e-3,
        float step = 1e-2f)
    {
        var largest = 1e-3;
        foreach (var g in gradient) largest = Math.Max(largest, Math.Abs(g));
        for (var i = 0; i < x.Length; i++)
        {
            var value = x[i];
            x[i] = value + step;
            var up = f();
            x[i] = value - step;
            var difference = (up - f()) / (2 * step);
            x[i] = value;
            Assert.AreEqual(difference, gradient[i], tolerance * largest, $"d loss / d {what}[{i}]");
        }
    }
}
