namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Spreads salience to neighbouring tokens by the cosine between hidden states (docs/method.md, section 2, <c>cluster</c>).</summary>
internal static class Clustering
{
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
        var centre = new double[width];
        for (var i = 0; i < n && missing > 0; i++)
        {
            if (!salient[i]) continue;
            for (var d = 0; d < width; d++) centre[d] = hidden[i * width + d];
            for (var k = i - 1; k >= 0 && Joins(hidden.Slice(k * width, width), k); k--) Add(hidden.Slice(k * width, width), k);
            for (var k = i + 1; k < n && Joins(hidden.Slice(k * width, width), k); k++) Add(hidden.Slice(k * width, width), k);
        }
        return cluster;

        bool Joins(ReadOnlySpan<float> h, int k)
        {
            var similarity = Cosine(centre, h);
            if (double.IsNaN(similarity))
                throw new NlftException($"hidden state of response token {k}", "a value that is not finite", "finite numbers",
                    "Check the model's weights and the learning rate: the network has diverged.");
            return (rule == ClusterRule.Similar ? similarity : 1 - similarity) > threshold;
        }

        void Add(ReadOnlySpan<float> h, int k)
        {
            if (!cluster[k]) (cluster[k], missing) = (true, missing - 1);
            for (var d = 0; d < width; d++) centre[d] = (centre[d] + h[d]) / 2;
        }
    }

    /// <summary>a.b / (|a| |b|); 0 when either is the zero vector.</summary>
    private static double Cosine(ReadOnlySpan<double> a, ReadOnlySpan<float> b)
    {
        double dot = 0, aa = 0, bb = 0;
        for (var d = 0; d < a.Length; d++)
        {
            double x = a[d], y = b[d];
            dot += x * y;
            aa += x * x;
            bb += y * y;
        }
        return aa == 0 || bb == 0 ? 0 : dot / (Math.Sqrt(aa) * Math.Sqrt(bb));
    }
}
