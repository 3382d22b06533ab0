using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Creates small inputs.</summary>
internal static class Scores
{
    /// <summary>Creates scores from probabilities. By default all hidden states are equal, so that no neighbour joins by dissimilarity.</summary>
    public static ExampleScores Incorrect(double[] b, double[] j, double[] s, float[]? hidden = null) => new()
    {
        Polarity = Polarity.Incorrect, Base = Logs(b), Judge = Logs(j), Standard = Logs(s), HiddenStates = hidden ?? Alike(b.Length),
    };

    public static ExampleScores Correct(double[] b, double[] s, float[]? hidden = null) => new()
    {
        Polarity = Polarity.Correct, Base = Logs(b), Standard = Logs(s), HiddenStates = hidden ?? Alike(b.Length),
    };

    /// <summary>
    /// Creates plane unit vectors at the given angles in degrees, one per token. Beyond 53.13 degrees, two have a cosine distance above 0.4.
    /// </summary>
    public static float[] Angles(params double[] degrees) =>
        [.. degrees.SelectMany(a => new[] { (float)Math.Cos(a * Math.PI / 180), (float)Math.Sin(a * Math.PI / 180) })];

    public static double[] Logs(params double[] p) => Array.ConvertAll(p, Math.Log);

    private static float[] Alike(int n) => [.. Enumerable.Repeat(1f, n)];
}
