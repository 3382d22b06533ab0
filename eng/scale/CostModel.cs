using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>The overhead of a message besides the link: library, system, processor.</summary>
/// <param name="PerRound">Seconds per message.</param>
/// <param name="PerByte">Seconds per byte for copying and summing.</param>
internal sealed record Overhead(double PerRound, double PerByte);

/// <summary>The work of an optimizer step.</summary>
internal sealed record StepWork
{
    /// <summary>Seconds of computation per row of mean length on one process.</summary>
    public required double SecondsPerRow { get; init; }

    /// <summary>The rows of the window.</summary>
    public required int Rows { get; init; }

    /// <summary>The bytes of the all-reduce sum.</summary>
    public required double Bytes { get; init; }

    /// <summary>Rounds of short messages per doubling of the processes. Default 0.</summary>
    public double ShortRounds { get; init; }

    /// <summary>The slowdown of a row beside other processes on the same machine. Default 1: one process per machine.</summary>
    public double Crowding { get; init; } = 1;

    /// <summary>The algorithm of the long sum.</summary>
    public SumAlgorithm Algorithm { get; init; } = SumAlgorithm.Tree;

    /// <summary>The steps per sum. Default 1; more where every process takes local steps.</summary>
    public int StepsPerSum { get; init; } = 1;

    /// <summary>The spread of row lengths, uniform from 1 - Spread to 1 + Spread times the mean. Default 0.5.</summary>
    public double Spread { get; init; } = 0.5;
}

/// <summary>Computes the time of a step on N processes: the longest share of the window plus the sum of the gradients.</summary>
internal static class CostModel
{
    private const int Unit = 1000; // row costs are integers

    /// <summary>Returns the seconds of a sum.</summary>
    public static double Sum(SumAlgorithm algorithm, int processes, double bytes, Link link, Overhead overhead) =>
        SumCost.Latencies(algorithm, processes, bytes) * (link.Latency + overhead.PerRound) + SumCost.Factor(algorithm, processes) * bytes
            * (1 / link.BytesPerSecond + overhead.PerByte);

    /// <summary>
    /// Returns the work of the busiest process, in rows of mean length. As in training, the costliest row goes first, always to the process with
    /// least to do.
    /// </summary>
    /// <param name="rows">The rows of the window.</param>
    /// <param name="processes">The processes that share them.</param>
    /// <param name="spread">See <see cref="StepWork.Spread"/>.</param>
    public static double LongestShare(int rows, int processes, double spread)
    {
        long Cost(int row) => (long)Math.Round(Unit * (1 + spread * ((2 * row + 1.0) / rows - 1)));
        return WindowShares.Distribute([.. Enumerable.Range(0, rows)], Cost, processes).Max(share => share.Sum(Cost)) / (double)Unit;
    }

    /// <summary>Returns the seconds of computation in a step.</summary>
    /// <param name="work">The work of the step.</param>
    /// <param name="processes">The processes that share it.</param>
    /// <param name="cores">The cores of the machine; each process uses at most one.</param>
    public static double Compute(StepWork work, int processes, int cores = int.MaxValue) =>
        work.SecondsPerRow * (processes == 1 ? 1 : work.Crowding)
            * Math.Max(LongestShare(work.Rows, processes, work.Spread), (double)work.Rows / Math.Min(cores, processes));

    /// <summary>Returns the seconds of communication in a step.</summary>
    public static double Communicate(StepWork work, int processes, Link link, Overhead overhead) => processes == 1 ? 0
        : (Sum(work.Algorithm, processes, work.Bytes, link, overhead)
            + work.ShortRounds * SumCost.Rounds(SumAlgorithm.RecursiveDoubling, processes) * (link.Latency + overhead.PerRound)) / work.StepsPerSum;

    /// <summary>Returns the seconds of a step.</summary>
    public static double Step(StepWork work, int processes, Link link, Overhead overhead, int cores = int.MaxValue) =>
        Compute(work, processes, cores) + Communicate(work, processes, link, overhead);

    /// <summary>Returns the speed divided by N times the speed of one process on the same window, from 0 to 1.</summary>
    public static double Efficiency(StepWork work, int processes, Link link, Overhead overhead) =>
        Compute(work, 1) / (processes * Step(work, processes, link, overhead));
}
