using System.Globalization;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Counts durations by their length, as a histogram of Prometheus.</summary>
internal sealed class Histogram
{
    private static readonly double[] s_bounds =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100];

    private readonly long[] _counts = new long[s_bounds.Length + 1]; // by bucket, not cumulated; the last one has no bound
    private readonly Lock _lock = new();
    private double _sum;

    /// <summary>Counts a duration in seconds.</summary>
    public void Observe(double seconds)
    {
        var bucket = Array.FindIndex(s_bounds, bound => seconds <= bound);
        lock (_lock)
        {
            _counts[bucket < 0 ? s_bounds.Length : bucket]++;
            _sum += seconds;
        }
    }

    /// <summary>Writes the samples of the histogram.</summary>
    /// <param name="writer">The text of the metrics.</param>
    /// <param name="name">The name of the metric.</param>
    /// <param name="labels">Its labels, for example <c>model="tiny"</c>.</param>
    public void Write(TextWriter writer, string name, string labels)
    {
        lock (_lock)
        {
            var total = 0L;
            for (var i = 0; i < _counts.Length; i++)
            {
                total += _counts[i];
                var bound = i < s_bounds.Length ? s_bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
                writer.Write($"{name}_bucket{{{labels},le=\"{bound}\"}} {total}\n");
            }
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{name}_sum{{{labels}}} {_sum}\n{name}_count{{{labels}}} {total}\n"));
        }
    }
}
