using System.Globalization;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// How fast the processes of a run are: seconds per token as a mean that forgets. A process whose mean has stayed above <see cref="Factor"/> times
/// the median for <see cref="Windows"/> windows in a row is slow; with two processes the faster one counts as the median. The first window in which
/// a process computes does not count: it compiles there.
/// </summary>
internal sealed class RankSpeeds(int processes)
{
    public const double Factor = 1.5;
    public const int Windows = 5;

    private const double Newest = 0.3; // weight of the newest window

    private readonly bool[] _warm = new bool[processes];
    private readonly double[] _mean = new double[processes];
    private readonly int[] _slowFor = new int[processes];

    /// <summary>Counts a window.</summary>
    /// <param name="seconds">Time that each process computed.</param>
    /// <param name="costs">What it had to do; 0: nothing, and its time says nothing.</param>
    public void Add(ReadOnlySpan<double> seconds, IReadOnlyList<long> costs)
    {
        for (var process = 0; process < processes; process++)
        {
            if (costs[process] == 0) continue;
            if (!_warm[process])
            {
                _warm[process] = true;
                continue;
            }
            var now = seconds[process] / costs[process];
            _mean[process] = _mean[process] == 0 ? now : (1 - Newest) * _mean[process] + Newest * now;
        }
        var known = _mean.Where(mean => mean > 0).Order().ToArray();
        var median = known.Length == 0 ? 0 : known[(known.Length - 1) / 2];
        for (var process = 0; process < processes; process++) _slowFor[process] = _mean[process] > Factor * median ? _slowFor[process] + 1 : 0;
        Median = median;
    }

    private double Median { get; set; }

    /// <summary>The slowest of the slow processes in words; null: none is slow.</summary>
    /// <param name="name">What a process is called.</param>
    public string? Slow(Func<int, string> name)
    {
        var slowest = Array.IndexOf(_mean, _mean.Max());
        return _slowFor[slowest] < Windows ? null
            : string.Create(CultureInfo.InvariantCulture,
                $"{name(slowest)} takes {_mean[slowest] / Median:0.0} times as long per token as the median of the {processes} processes");
    }
}
