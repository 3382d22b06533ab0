using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Spreads salience to neighbouring tokens by the cosine between hidden states (docs/method.md, section 2, <c>cluster</c>).</summary>
internal static class Clustering
{
    private const int MostOnStack = 4096; // numbers of a hidden state

    /// <summary>The salient tokens and the neighbours that join them.</summary>
    /// <param name="rule">How neighbours join.</param>
    /// <param name="threshold">What the distance or similarity must exceed.</param>
    /// <param name="hidden">n x H hidden states, row-major.</param>
    /// <param name="salient">n flags.</param>
    /// <returns>n flags; the salient tokens themselves are included.</returns>
    /// <remarks>
    /// From each salient token the walk goes left, then right, from neighbour to neighbour until one fails the test; salient tokens on the way
    /// are neighbours like any other. Each step moves the centre half-way to the token it added; the centre is not reset between the two directions.
    /// </remarks>
    public static bool[] Find(ClusterRule rule, double threshold, ReadOnlySpan<float> hidden, ReadOnlySpan<bool> salient)
    {
        var cluster = salient.ToArray();
        if (rule == ClusterRule.None) return cluster;

        int n = salient.Length, width = hidden.Length / n, missing = cluster.Count(member => !member);
        Span<double> centre = width <= MostOnStack ? stackalloc double[width] : new double[width];
        for (var i = 0; i < n && missing > 0; i++)
        {
            if (!salient[i]) continue;
            Start(centre, hidden.Slice(i * width, width));
            for (var k = i - 1; k >= 0 && Value(rule, centre, hidden.Slice(k * width, width), k) > threshold; k--)
                Add(hidden.Slice(k * width, width), k, centre);
            for (var k = i + 1; k < n && Value(rule, centre, hidden.Slice(k * width, width), k) > threshold; k++)
                Add(hidden.Slice(k * width, width), k, centre);
        }
        return cluster;

        void Add(ReadOnlySpan<float> h, int k, Span<double> centre)
        {
            if (!cluster[k]) (cluster[k], missing) = (true, missing - 1);
            Move(centre, h);
        }
    }

    /// <summary>A walk begins at the salient token itself.</summary>
    public static void Start(Span<double> centre, ReadOnlySpan<float> h)
    {
        for (var d = 0; d < centre.Length; d++) centre[d] = h[d];
    }

    /// <summary>The centre goes half-way to a token that joins.</summary>
    public static void Move(Span<double> centre, ReadOnlySpan<float> h)
    {
        for (var d = 0; d < centre.Length; d++) centre[d] = (centre[d] + h[d]) / 2;
    }

    /// <summary>What must exceed the threshold for token k to join: the distance or the similarity to the centre.</summary>
    /// <exception cref="NlftException">It is not a number.</exception>
    public static double Value(ClusterRule rule, ReadOnlySpan<double> centre, ReadOnlySpan<float> h, int k)
    {
        var similarity = Cosine(centre, h);
        if (double.IsNaN(similarity))
            throw new NlftException($"hidden state of response token {k}", "a value that is not finite", "finite numbers",
                "Check the model's weights and the learning rate: the network has diverged.");
        return rule == ClusterRule.Similar ? similarity : 1 - similarity;
    }

    /// <summary>a.b / (|a| |b|); 0 when either is the zero vector. Four running sums, in the same order on every machine.</summary>
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
