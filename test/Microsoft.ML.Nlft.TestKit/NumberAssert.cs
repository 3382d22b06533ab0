namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Comparisons of numbers within a tolerance.</summary>
public static class NumberAssert
{
    /// <summary>Fails at the first number that is farther than <paramref name="tolerance"/> from the expected one.</summary>
    public static void AreClose(IReadOnlyList<double> expected, IReadOnlyList<float> actual, double tolerance, string what)
    {
        Assert.HasCount(expected.Count, actual, what);
        for (var i = 0; i < expected.Count; i++) Assert.AreEqual(expected[i], actual[i], tolerance, $"{what}[{i}]");
    }
}
