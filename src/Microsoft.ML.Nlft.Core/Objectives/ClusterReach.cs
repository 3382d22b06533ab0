using System.Runtime.ExceptionServices;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// How far the walk of <see cref="Clustering"/> would go from each token, were it salient, at each of a list of thresholds. It takes the place of the
/// hidden states (n x H numbers) wherever thresholds are tried later, and gives exactly what <see cref="Clustering.Find"/> gives.
/// </summary>
/// <remarks>
/// A walk does not depend on which other tokens are salient, and raising the threshold only ends it earlier, so one walk to the left serves all
/// thresholds: they drop out one by one. The walk to the right starts from the centre that the left one ended with, so there is one for each
/// group of thresholds that stopped together.
/// </remarks>
internal sealed class ClusterReach
{
    private const int Steps = 100;

    [JsonConstructor]
    private ClusterReach(IReadOnlyList<double> thresholds, byte[] dissimilar, byte[] similar) =>
        (Thresholds, Dissimilar, Similar) = (thresholds, dissimilar, similar);

    /// <summary>The thresholds that can be tried, ascending.</summary>
    public IReadOnlyList<double> Thresholds { get; }

    /// <summary><see cref="Walks"/> of the dissimilar rule.</summary>
    public byte[] Dissimilar { get; }

    /// <summary><see cref="Walks"/> of the similar rule.</summary>
    public byte[] Similar { get; }

    /// <summary>
    /// The walks of all tokens under one rule, each as varints: the number of groups of neighbouring thresholds, then per group how many
    /// thresholds, how far left and how far right. Thresholds after the last group reach nowhere.
    /// </summary>
    public ReadOnlySpan<byte> Walks(ClusterRule rule) => rule == ClusterRule.Similar ? Similar : Dissimilar;

    /// <summary>0 to 2 in hundredths, and <paramref name="configured"/> where it lies between.</summary>
    public static double[] ThresholdsWith(double configured) =>
        [.. Enumerable.Range(0, 2 * Steps + 1).Select(step => step / (double)Steps).Append(configured).Distinct().Order()];

    /// <summary>Walks from every token that could be salient.</summary>
    /// <param name="thresholds">Ascending.</param>
    /// <param name="hidden">n x H hidden states, row-major.</param>
    /// <param name="candidates">n flags; the walks of the others are left out and count as going nowhere.</param>
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

    /// <summary>How far the walk from token <paramref name="from"/> goes at the threshold of that index.</summary>
    public (int Left, int Right) At(ClusterRule rule, int from, int threshold)
    {
        var at = 0;
        var walks = rule == ClusterRule.Similar ? Similar : Dissimilar;
        for (var i = 0; i < from; i++)
            for (var rest = 3 * Read(); rest > 0; rest--) Read();
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

    /// <summary>One token's walk at all thresholds.</summary>
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

        /// <summary>Thresholds 0 to <c>alive</c> (exclusive) are still walking; those that stop go right from the centre they stopped at.</summary>
        private void Left()
        {
            var (centre, alive) = (new double[_width], thresholds.Count);
            Clustering.Start(centre, Hidden(from));
            for (var steps = 0; alive > 0; steps++)
            {
                var k = from - steps - 1;
                var goOn = k < 0 ? 0 : Math.Min(alive, Exceeded(Clustering.Value(rule, centre, Hidden(k), k)));
                if (goOn < alive)
                {
                    Array.Fill(_left, steps, goOn, alive - goOn);
                    Right([.. centre], goOn, alive);
                }
                alive = goOn;
                if (alive > 0) Clustering.Move(centre, Hidden(k));
            }
        }

        private void Right(double[] centre, int first, int alive)
        {
            for (var steps = 0; alive > first; steps++)
            {
                var k = from + steps + 1;
                var goOn = k >= n ? first : Math.Clamp(Exceeded(Clustering.Value(rule, centre, Hidden(k), k)), first, alive);
                Array.Fill(_right, steps, goOn, alive - goOn);
                alive = goOn;
                if (alive > first) Clustering.Move(centre, Hidden(k));
            }
        }

        /// <summary>How many thresholds are below the value.</summary>
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
