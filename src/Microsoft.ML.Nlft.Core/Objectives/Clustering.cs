using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Extends salience to neighbouring tokens by the cosine between hidden states (docs/method.md, section 2, <c>cluster</c>).</summary>
internal static class Clustering
{
    private const int MaximumStackWidth = 4096; // values of a hidden state

    /// <summary>Finds the salient tokens and the neighbours that join them.</summary>
    /// <param name="rule">How neighbours join.</param>
    /// <param name="threshold">The value that the distance or similarity must exceed, in [0, 2].</param>
    /// <param name="hidden">n x H hidden states, row-major.</param>
    /// <param name="salient">n flags.</param>
    /// <returns>n flags; the salient tokens themselves are included.</returns>
    /// <remarks>
    /// The walk from each salient token goes left, then right, and stops at the first neighbour that fails the test. Other salient tokens on the way
    /// are treated like any neighbour. Each step moves the centre halfway to the token it adds; the centre is not reset between the directions.
    /// </remarks>
    public static bool[] Find(ClusterRule rule, double threshold, ReadOnlySpan<float> hidden, ReadOnlySpan<bool> salient)
    {
        var cluster = salient.ToArray();
        if (rule == ClusterRule.None) return cluster;

        int n = salient.Length, width = hidden.Length / n, missing = cluster.Count(member => !member);
        Span<double> centre = width <= MaximumStackWidth ? stackalloc double[width] : new double[width];
        for (var i = 0; i < n && missing > 0; i++)
        {
            if (!salient[i]) continue;
            Start(centre, hidden.Slice(i * width, width));
            for (var k = i - 1; k >= 0 && TryAdd(hidden.Slice(k * width, width), k, centre); k--) { }
            for (var k = i + 1; k < n && TryAdd(hidden.Slice(k * width, width), k, centre); k++) { }
        }
        return cluster;

        bool TryAdd(ReadOnlySpan<float> h, int k, Span<double> centre)
        {
            if (!(Value(rule, centre, h, k) > threshold)) return false;
            if (!cluster[k]) (cluster[k], missing) = (true, missing - 1);
            Move(centre, h);
            return true;
        }
    }

    /// <summary>Starts a walk: sets the centre to the salient token.</summary>
    public static void Start(Span<double> centre, ReadOnlySpan<float> h)
    {
        for (var d = 0; d < centre.Length; d++) centre[d] = h[d];
    }

    /// <summary>Moves the centre halfway to a token that joins.</summary>
    public static void Move(Span<double> centre, ReadOnlySpan<float> h)
    {
        for (var d = 0; d < centre.Length; d++) centre[d] = (centre[d] + h[d]) / 2;
    }

    /// <summary>Computes the distance or similarity to the centre that must exceed the threshold for token k to join.</summary>
    /// <exception cref="NlftException">The result is not a number.</exception>
    public static double Value(ClusterRule rule, ReadOnlySpan<double> centre, ReadOnlySpan<float> h, int k)
    {
        var similarity = Cosine(centre, h);
        if (double.IsNaN(similarity))
        {
            throw new NlftException($"hidden state of response token {k}", "a value that is not finite", "finite numbers",
                "Check the model's weights and the learning rate: the network has diverged.");
        }
        return rule == ClusterRule.Similar ? similarity : 1 - similarity;
    }

    /// <summary>Computes a.b / (|a| |b|); 0 if either vector is zero. Four partial sums give the same result on every machine.</summary>
    internal static double Cosine(ReadOnlySpan<double> a, ReadOnlySpan<float> b)
    {
        Vector256<double> dots = default, aas = default, bbs = default;
        var d = 0;
        for (; d + 4 <= a.Length; d += 4)
        {
            var x = Vector256.Create(a[d..]);
            var (low, high) = Vector128.Widen(Vector128.Create(b[d..]));
            var y = Vector256.Create(low, high);
            dots += x * y;
            aas += x * x;
            bbs += y * y;
        }
        double dot = Vector256.Sum(dots), aa = Vector256.Sum(aas), bb = Vector256.Sum(bbs);
        for (; d < a.Length; d++)
        {
            double x = a[d], y = b[d];
            dot += x * y;
            aa += x * x;
            bb += y * y;
        }
        return aa == 0 || bb == 0 ? 0 : dot / (Math.Sqrt(aa) * Math.Sqrt(bb));
    }
}
