using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed.Layers;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>The vectorized dropout of the managed engine, compared with the definition of the mask.</summary>
[TestClass]
public class DropoutTests
{
    private const ulong Module = 11;
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
        Dropout.Apply(context, Module, Probability, x, x);
        for (var row = 0; row < x.Rows; row++)
        {
            var key = DropoutMask.RowKey(row < 90 ? 7ul : 8, Module, row % 90);
            for (var feature = 0; feature < features; feature++)
            {
                var kept = DropoutMask.IsKept(key, (uint)feature, DropoutMask.Threshold(Probability));
                Assert.AreEqual(kept ? 5f : 0, x[row][feature], 1e-6f, $"row {row}, feature {feature}");
            }
        }
    }
}
