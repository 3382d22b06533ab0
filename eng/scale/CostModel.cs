using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>What a message costs besides the link: library, system, processor.</summary>
/// <param name="PerRound">Seconds of a message.</param>
/// <param name="PerByte">Seconds of a byte: copied, summed.</param>
internal sealed record Overhead(double PerRound, double PerByte);

/// <summary>One optimizer step.</summary>
internal sealed record StepWork
{
    /// <summary>Seconds that one process computes for a row of mean length.</summary>
    public required double SecondsPerRow { get; init; }

    /// <summary>Rows of the window.</summary>
    public required int Rows { get; init; }

    /// <summary>Bytes that are summed over the processes.</summary>
    public required double Bytes { get; init; }

    /// <summary>Rounds of short messages besides: for each doubling of the processes.</summary>
    public double ShortRounds { get; init; }

    /// <summary>How many times as long a row takes beside other processes of the same machine. 1: each has a machine of its own.</summary>
    public double Crowding { get; init; } = 1;

    /// <summary>How the long sum is formed.</summary>
    public SumAlgorithm Algorithm { get; init; } = SumAlgorithm.Tree;

    /// <summary>Steps that share a sum: 1, or more where every process goes several steps by itself.</summary>
    public int StepsPerSum { get; init; } = 1;

    /// <summary>Rows differ in length: evenly from 1 - Spread to 1 + Spread times the mean.</summary>
    public double Spread { get; init; } = 0.5;
}

/// <summary>How long a step takes on N processes: the longest share of the window, then the sum of the gradients.</summary>
internal static class CostModel
{
    private const int Unit = 1000; // costs of rows are whole numbers

    /// <summary>Seconds of a sum.</summary>
    public static double Sum(SumAlgorithm algorithm, int processes, double bytes, Link link, Overhead overhead) =>
        SumCost.Latencies(algorithm, processes, bytes) * (link.Latency + overhead.PerRound) + SumCost.Factor(algorithm, processes) * bytes * (1 / link.BytesPerSecond + overhead.PerByte);

    /// <summary>Rows of mean length that the process with the most to do has.</summary>
    /// <param name="rows">Rows of the window.</param>
    /// <param name="processes">Processes that they are dealt to, as training deals them.</param>
    /// <param name="spread">See <see cref="StepWork.Spread"/>.</param>
    public static double LongestShare(int rows, int processes, double spread)
    {
        long Cost(int row) => (long)Math.Round(Unit * (1 + spread * ((2 * row + 1.0) / rows - 1)));
        return WindowShares.Deal([.. Enumerable.Range(0, rows)], Cost, processes).Max(share => share.Sum(Cost)) / (double)Unit;
    }

    /// <summary>Seconds that a step computes.</summary>
    /// <param name="work">The step.</param>
    /// <param name="processes">Processes that share it.</param>
    /// <param name="cores">Cores that they have together, one for each if there are enough.</param>
    public static double Compute(StepWork work, int processes, int cores = int.MaxValue) =>
        work.SecondsPerRow * (processes == 1 ? 1 : work.Crowding) * Math.Max(LongestShare(work.Rows, processes, work.Spread), (double)work.Rows / Math.Min(cores, processes));

    /// <summary>Seconds that a step waits for others.</summary>
    public static double Communicate(StepWork work, int processes, Link link, Overhead overhead) => processes == 1 ? 0
        : (Sum(work.Algorithm, processes, work.Bytes, link, overhead)
            + work.ShortRounds * SumCost.Rounds(SumAlgorithm.RecursiveDoubling, processes) * (link.Latency + overhead.PerRound)) / work.StepsPerSum;

    /// <summary>Seconds of a step.</summary>
    public static double Step(StepWork work, int processes, Link link, Overhead overhead, int cores = int.MaxValue) =>
        Compute(work, processes, cores) + Communicate(work, processes, link, overhead);

    /// <summary>What is left of N times the speed of one process, which does the same window without others, from 0 to 1.</summary>
    public static double Efficiency(StepWork work, int processes, Link link, Overhead overhead) =>
        Compute(work, 1) / (processes * Step(work, processes, link, overhead));
}
