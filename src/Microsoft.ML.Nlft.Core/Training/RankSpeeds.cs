using System.Globalization;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Tracks the speed of a run's processes: seconds per token as an exponential moving average. A process whose average stays above
/// <see cref="Factor"/> times the median for <see cref="Windows"/> windows in a row is slow; with two processes the faster one counts as the
/// median. The first window of each process does not count, because it includes JIT compilation.
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
    /// <param name="seconds">Computing time of each process.</param>
    /// <param name="costs">The work of each process; 0: none, and its time is ignored.</param>
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

    /// <summary>Describes the slowest of the slow processes; null: none is slow.</summary>
    /// <param name="name">Returns the name of a process.</param>
    public string? Slow(Func<int, string> name)
    {
        var slowest = Array.IndexOf(_mean, _mean.Max());
        return _slowFor[slowest] < Windows ? null
            : string.Create(CultureInfo.InvariantCulture,
                $"{name(slowest)} takes {_mean[slowest] / Median:0.0} times as long per token as the median of the {processes} processes");
    }
}
