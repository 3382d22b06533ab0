using System.Runtime.ExceptionServices;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Stores how far the walk of <see cref="Clustering"/> goes from each token, if that token is salient, at each of a list of thresholds. It replaces
/// the hidden states (n x H numbers) where thresholds are tried later, and yields exactly the clusters of <see cref="Clustering.Find"/>.
/// </summary>
/// <remarks>
/// A walk does not depend on which other tokens are salient, and a higher threshold only ends it earlier. So one walk to the left serves all
/// thresholds, which drop out one by one. The walk to the right starts from the centre at which the left one ended, so there is one for each
/// group of thresholds that stopped at the same token.
/// </remarks>
internal sealed class ClusterReach
{
    private const int Steps = 100;

    [JsonConstructor]
    public ClusterReach(IReadOnlyList<double> thresholds, byte[] dissimilar, byte[] similar) =>
        (Thresholds, Dissimilar, Similar) = (thresholds, dissimilar, similar);

    /// <summary>Gets the thresholds that can be tried, ascending.</summary>
    public IReadOnlyList<double> Thresholds { get; }

    /// <summary>Gets the <see cref="Walks"/> of the dissimilar rule.</summary>
    public byte[] Dissimilar { get; }

    /// <summary>Gets the <see cref="Walks"/> of the similar rule.</summary>
    public byte[] Similar { get; }

    /// <summary>
    /// Returns the walks of all tokens under one rule, each as varints: the number of groups of adjacent thresholds, then for each group its number
    /// of thresholds and the steps to the left and to the right. Thresholds after the last group reach no neighbour.
    /// </summary>
    public ReadOnlySpan<byte> Walks(ClusterRule rule) => rule == ClusterRule.Similar ? Similar : Dissimilar;

    /// <summary>Returns 0 to 2 in steps of 0.01, with <paramref name="configured"/> inserted in order.</summary>
    public static double[] ThresholdsWith(double configured) =>
        [.. Enumerable.Range(0, 2 * Steps + 1).Select(step => step / (double)Steps).Append(configured).Distinct().Order()];

    /// <summary>Computes the walks from every token that could be salient.</summary>
    /// <param name="thresholds">Thresholds, ascending.</param>
    /// <param name="hidden">n x H hidden states, row-major.</param>
    /// <param name="candidates">n flags: which tokens could be salient. The walks of the others are empty.</param>
    /// <exception cref="NlftException">A hidden state is not finite, or the number of values is not a multiple of n.</exception>
    public static ClusterReach Of(IReadOnlyList<double> thresholds, ReadOnlyMemory<float> hidden, bool[] candidates)
    {
        ScoreChecks.HiddenStates(hidden.Length, candidates.Length);
        return new ClusterReach(thresholds, Encode(ClusterRule.Dissimilar), Encode(ClusterRule.Similar));

        byte[] Encode(ClusterRule rule)
        {
            var walks = new byte[candidates.Length][];
            try
            {
                Parallel.For(0, walks.Length, i =>
                    walks[i] = candidates[i] ? new Walk(rule, thresholds, hidden, candidates.Length, i).Encode() : [0]);
            }
            catch (AggregateException e) when (e.InnerException is NlftException)
            {
                ExceptionDispatchInfo.Throw(e.InnerException);
            }
            return [.. walks.SelectMany(bytes => bytes)];
        }
    }

    /// <summary>Returns how many tokens the walk from token <paramref name="from"/> covers at the threshold with the given index.</summary>
    public (int Left, int Right) At(ClusterRule rule, int from, int threshold)
    {
        var at = 0;
        var walks = rule == ClusterRule.Similar ? Similar : Dissimilar;
        for (var i = 0; i < from; i++)
        {
            for (var rest = 3 * Read(); rest > 0; rest--) Read();
        }
        var passed = 0;
        for (var groups = Read(); groups > 0; groups--)
        {
            passed += Read();
            var reach = (Read(), Read());
            if (threshold < passed) return reach;
        }
        return (0, 0);

        int Read()
        {
            var value = 0;
            for (var shift = 0; ; shift += 7)
            {
                var part = walks[at++];
                value |= (part & 0x7F) << shift;
                if (part < 0x80) return value;
            }
        }
    }

    /// <summary>Computes one token's walk at all thresholds.</summary>
    private sealed class Walk(ClusterRule rule, IReadOnlyList<double> thresholds, ReadOnlyMemory<float> hidden, int n, int from)
    {
        private readonly int[] _left = new int[thresholds.Count], _right = new int[thresholds.Count];
        private readonly int _width = hidden.Length / n;

        public byte[] Encode()
        {
            Left();
            var bytes = new List<byte>();
            var groups = 0;
            var end = thresholds.Count;
            while (end > 0 && _left[end - 1] == 0 && _right[end - 1] == 0) end--;
            for (var begin = 0; begin < end; groups++)
            {
                var next = begin + 1;
                while (next < end && _left[next] == _left[begin] && _right[next] == _right[begin]) next++;
                Write(bytes, next - begin);
                Write(bytes, _left[begin]);
                Write(bytes, _right[begin]);
                begin = next;
            }
            var head = new List<byte>();
            Write(head, groups);
            return [.. head, .. bytes];
        }

        private ReadOnlySpan<float> Hidden(int k) => hidden.Span.Slice(k * _width, _width);

        /// <summary>
        /// Walks left. Thresholds 0 to <c>alive</c> (exclusive) continue; those that stop walk right from the centre at which they stopped.
        /// </summary>
        private void Left()
        {
            var (centre, alive) = (new double[_width], thresholds.Count);
            Clustering.Start(centre, Hidden(from));
            for (var steps = 0; alive > 0; steps++)
            {
                var k = from - steps - 1;
                var remaining = k < 0 ? 0 : Math.Min(alive, Exceeded(Clustering.Value(rule, centre, Hidden(k), k)));
                if (remaining < alive)
                {
                    Array.Fill(_left, steps, remaining, alive - remaining);
                    Right([.. centre], remaining, alive);
                }
                alive = remaining;
                if (alive > 0) Clustering.Move(centre, Hidden(k));
            }
        }

        private void Right(double[] centre, int first, int alive)
        {
            for (var steps = 0; alive > first; steps++)
            {
                var k = from + steps + 1;
                var remaining = k >= n ? first : Math.Clamp(Exceeded(Clustering.Value(rule, centre, Hidden(k), k)), first, alive);
                Array.Fill(_right, steps, remaining, alive - remaining);
                alive = remaining;
                if (alive > first) Clustering.Move(centre, Hidden(k));
            }
        }

        /// <summary>Counts the thresholds below the value.</summary>
        private int Exceeded(double value)
        {
            int low = 0, high = thresholds.Count;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (value > thresholds[middle]) low = middle + 1;
                else high = middle;
            }
            return low;
        }

        private static void Write(List<byte> bytes, int value)
        {
            for (; value >= 0x80; value >>= 7) bytes.Add((byte)(value | 0x80));
            bytes.Add((byte)value);
        }
    }
}
