using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Small hand-written inputs.</summary>
internal static class Scores
{
    /// <summary>Scores from probabilities; hidden states that all point the same way, so that no neighbour joins by dissimilarity.</summary>
    public static ExampleScores Incorrect(double[] b, double[] j, double[] s, float[]? hidden = null) => new()
    {
        Polarity = Polarity.Incorrect, Base = Logs(b), Judge = Logs(j), Standard = Logs(s), HiddenStates = hidden ?? Alike(b.Length),
    };

    public static ExampleScores Correct(double[] b, double[] s, float[]? hidden = null) => new()
    {
        Polarity = Polarity.Correct, Base = Logs(b), Standard = Logs(s), HiddenStates = hidden ?? Alike(b.Length),
    };

    /// <summary>
    /// Unit vectors of the plane at these angles in degrees, one per token: two are a cosine distance above 0.4 apart beyond 53.13 degrees.
    /// </summary>
    public static float[] Angles(params double[] degrees) =>
        [.. degrees.SelectMany(a => new[] { (float)Math.Cos(a * Math.PI / 180), (float)Math.Sin(a * Math.PI / 180) })];

    public static double[] Logs(params double[] p) => Array.ConvertAll(p, Math.Log);

    private static float[] Alike(int n) => [.. Enumerable.Repeat(1f, n)];
}
