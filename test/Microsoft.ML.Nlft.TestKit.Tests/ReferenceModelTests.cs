
namespace Microsoft.ML.Nlft.TestKit.Tests;

/// <summary>The oracle of the suites against the float64 goldens, which other code has computed.</summary>
[TestClass]
public sealed class ReferenceModelTests
{
    public static IEnumerable<object[]> Models => Fixtures.Folders("golden", "llama");

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Models))]
    public void Backward_GoldenModel_GivesItsLogProbabilitiesLogitsAndGradients(string name)
    {
        using var golden = new Golden(name);
        var model = new ReferenceModel(golden.Folder, golden.Adapter, Rounding.None);
        var expected = golden.Expected(withAdapter: true);
        var coefficients = golden.Root.Doubles("coefficients");
        RequireClose(expected.Doubles("log_probs"), model.Backward(golden.Sequence, [.. coefficients.Select(c => (float)c)]), 1e-6);
        RequireClose(expected.Doubles("last_logits"), model.Logits(golden.Sequence.Tokens)[^1], 1e-6);
        foreach (var gradient in expected.GetProperty("gradients").EnumerateObject())
            RequireClose(gradient.Value.Doubles(), model.Gradients[gradient.Name], 1e-6);
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(Models))]
    public void ApplyGradients_GoldenModel_GivesItsLossesAndNorms(string name)
    {
        using var golden = new Golden(name);
        var model = new ReferenceModel(golden.Folder, golden.Adapter, Rounding.None);
        var training = golden.Root.GetProperty("training");
        var coefficients = Enumerable.Repeat(1f / golden.Sequence.ResponseLength, golden.Sequence.ResponseLength).ToArray();
        var learningRate = training.GetProperty("hyper").GetProperty("learning_rate").GetDouble();
        List<double> losses = [], norms = [];
        for (var step = 0; step < training.Doubles("losses").Length; step++)
        {
            losses.Add(-model.Backward(golden.Sequence, coefficients).Average());
            norms.Add(model.ApplyGradients(Golden.Optimizer(training), learningRate));
        }
        RequireClose(training.Doubles("losses"), [.. losses], 1e-5);
        RequireClose(training.Doubles("gradient_norms"), [.. norms], 1e-5);
    }

    [TestMethod]
    public void BFloat16_RandomNumbers_AreNeighboursAndRightInTheMean()
    {
        var values = Enumerable.Repeat(1.002, 4000).ToArray(); // a quarter of the way from 1 to 1 + 2^-7
        Rounding.BFloat16(seed: 1).Apply(values);
        CollectionAssert.AreEquivalent(new[] { 1.0, 1.0078125 }, values.Distinct().ToArray());
        Assert.AreEqual(1.002, values.Average(), 5 * 0.0078125 * Math.Sqrt(0.25 / 4000));
        Assert.AreEqual(-1.0078125, Rounding.BFloat16(seed: 1).ToNearest(-1.006));
    }

    private static void RequireClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.HasCount(expected.Length, actual);
        var scale = Math.Max(1, expected.Max(Math.Abs));
        for (var i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], actual[i], tolerance * scale, $"[{i}]");
    }
}
