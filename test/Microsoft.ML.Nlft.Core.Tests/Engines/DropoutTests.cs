using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed.Layers;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>The vectorized dropout of the managed engine, compared with the definition of the mask.</summary>
[TestClass]
public class DropoutTests
{
    private const string Module = "model.layers.0.mlp.gate_proj";
    private const double Probability = 0.2;

    [TestMethod]
    [DataRow(1)]
    [DataRow(8)]
    [DataRow(43)]
    [DataRow(500)]
    public void Apply_AnyNumberOfFeatures_KeepsAndScalesWhatTheMaskKeeps(int features)
    {
        var context = LayerGradientTests.Context(90, 7);
        var x = context.Rent(97, features);
        x.Span.Fill(4);
        new Dropout(Module, Probability, features).Apply(context, x, x);
        var (module, keys) = (DropoutMask.ModuleKey(Module), DropoutMask.FeatureKeys(features));
        for (var row = 0; row < x.Rows; row++)
        {
            var key = DropoutMask.RowKey(DropoutMask.PositionKey(row < 90 ? 7ul : 8, row % 90), module);
            for (var feature = 0; feature < features; feature++)
            {
                var kept = DropoutMask.IsKept(key, keys[feature], DropoutMask.Threshold(Probability));
                Assert.AreEqual(kept ? 5f : 0, x[row][feature], 1e-6f, $"row {row}, feature {feature}");
            }
        }
    }

    /// <summary>
    /// The mask looks like independent draws: its share of dropped inputs, how that varies between rows and between features, how two rows, two
    /// features and two modules agree, and the largest singular value of what remains when the mean is taken out, sqrt(n) + sqrt(m) times the
    /// deviation for independent entries (Bai and Yin, 1993).
    /// </summary>
    [TestMethod]
    [DataRow(0.05)]
    [DataRow(0.2)]
    [DataRow(0.5)]
    public void IsKept_ManyRowsAndFeatures_LooksLikeIndependentDraws(double probability)
    {
        const int Rows = 600, Features = 1536;
        var (mask, other) = (Mask("model.layers.3.mlp.up_proj"), Mask("model.layers.3.mlp.gate_proj"));
        var variance = probability * (1 - probability);
        Assert.AreEqual(0, Sum(mask) / Math.Sqrt(variance * Rows * Features), 5, "the share, in deviations");
        double[] byRow = [.. Enumerable.Range(0, Rows).Select(i => Enumerable.Range(0, Features).Sum(j => mask[i, j]))];
        double[] byFeature = [.. Enumerable.Range(0, Features).Select(j => Enumerable.Range(0, Rows).Sum(i => mask[i, j]))];
        AssertVariance(byRow, variance * Features);
        AssertVariance(byFeature, variance * Rows);
        var worst = 0.0;
        for (var i = 0; i < 200; i++)
        {
            for (var k = 0; k < i; k++)
            {
                var (rows, features) = (0.0, 0.0);
                for (var j = 0; j < Features; j++) rows += mask[i, j] * mask[k, j];
                for (var j = 0; j < Rows; j++) features += mask[j, i] * mask[j, k];
                worst = Math.Max(worst, Math.Max(Math.Abs(rows) / Math.Sqrt(Features), Math.Abs(features) / Math.Sqrt(Rows)) / variance);
            }
        }
        Assert.IsLessThan(7, worst, "the correlation of two rows or features, in deviations: one of 39,800");
        var agreement = 0.0;
        for (var i = 0; i < Rows; i++)
            for (var j = 0; j < Features; j++) agreement += mask[i, j] * other[i, j];
        Assert.AreEqual(0, agreement / variance / Math.Sqrt((double)Rows * Features), 5, "the correlation of two modules, in deviations");
        Assert.IsLessThan(1.05 * Math.Sqrt(variance) * (Math.Sqrt(Rows) + Math.Sqrt(Features)), LargestSingularValue(mask));

        // kept (1) or dropped (0), less the mean
        double[,] Mask(string name)
        {
            var (module, keys, threshold) = (DropoutMask.ModuleKey(name), DropoutMask.FeatureKeys(Features), DropoutMask.Threshold(probability));
            var values = new double[Rows, Features];
            for (var i = 0; i < Rows; i++)
            {
                var key = DropoutMask.RowKey(DropoutMask.PositionKey((ulong)(i / 100), i % 100), module);
                for (var j = 0; j < Features; j++) values[i, j] = (DropoutMask.IsKept(key, keys[j], threshold) ? 1 : 0) - (1 - probability);
            }
            return values;
        }

        static double Sum(double[,] values) => values.Cast<double>().Sum();

        // The variance of n sums has a deviation of sqrt(2 / n) of itself.
        static void AssertVariance(double[] sums, double expected) =>
            Assert.AreEqual(1, sums.Sum(sum => sum * sum) / sums.Length / expected, 5 * Math.Sqrt(2.0 / sums.Length));
    }

    /// <summary>By power iteration, which approaches it from below.</summary>
    private static double LargestSingularValue(double[,] values)
    {
        var (rows, columns, random) = (values.GetLength(0), values.GetLength(1), new Random(1));
        double[] vector = [.. Enumerable.Range(0, columns).Select(_ => random.NextDouble() - 0.5)];
        for (var round = 0; ; round++)
        {
            var norm = Math.Sqrt(vector.Sum(value => value * value));
            if (round == 60) return Math.Sqrt(norm);
            for (var j = 0; j < columns; j++) vector[j] /= norm;
            var image = new double[rows];
            for (var i = 0; i < rows; i++)
                for (var j = 0; j < columns; j++) image[i] += values[i, j] * vector[j];
            for (var j = 0; j < columns; j++)
            {
                vector[j] = 0;
                for (var i = 0; i < rows; i++) vector[j] += values[i, j] * image[i];
            }
        }
    }
}
