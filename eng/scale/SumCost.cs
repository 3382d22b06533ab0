using System.Numerics;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>How a sum over all processes is formed.</summary>
internal enum SumAlgorithm
{
    /// <summary>Up a binomial tree to process 0 and down again, the whole array each time: what Open MPI's non-blocking sum in place does.</summary>
    Tree,

    /// <summary>Everybody exchanges the whole array with a partner at distance 1, 2, 4, ...</summary>
    RecursiveDoubling,

    /// <summary>Halves of halves are exchanged and summed, then collected again (Rabenseifner): what MPICH does with long arrays.</summary>
    HalvingDoubling,

    /// <summary>An N-th of the array at a time goes round, twice.</summary>
    Ring,
}

/// <summary>What a sum of an array of B bytes over N processes costs: so many messages one after another, and so many times B bytes through one process's connection.</summary>
internal static class SumCost
{
    /// <summary>Bytes up to which a message is sent unasked; before a longer one, sender and receiver ask and answer (Open MPI's btl_tcp_eager_limit).</summary>
    public const int Unasked = 65536;

    /// <summary>Messages one after another.</summary>
    public static int Rounds(SumAlgorithm algorithm, int processes) => Messages(algorithm, processes).Sum(message => message.Count);

    /// <summary>Latencies one after another: one for a short message, three for a long one.</summary>
    public static int Latencies(SumAlgorithm algorithm, int processes, double bytes) =>
        Messages(algorithm, processes).Sum(message => message.Count * (bytes * message.Share > Unasked ? 3 : 1));

    /// <summary>How many messages of which share of the array come one after another.</summary>
    private static IEnumerable<(int Count, double Share)> Messages(SumAlgorithm algorithm, int processes) => processes == 1 ? [] : algorithm switch
    {
        SumAlgorithm.Tree => [(2 * Doublings(processes), 1)],
        SumAlgorithm.RecursiveDoubling => [(Doublings(processes), 1)],
        SumAlgorithm.HalvingDoubling => Enumerable.Range(1, Doublings(processes)).Select(level => (2, Math.Pow(2, -level))),
        _ => [(2 * (processes - 1), 1.0 / processes)],
    };

    /// <summary>Bytes one after another, in multiples of the array.</summary>
    public static double Factor(SumAlgorithm algorithm, int processes) => processes == 1 ? 0 : algorithm switch
    {
        // Up one level after the other; down, a process sends to all below it at once: the first L copies, the next L - 1, ...
        SumAlgorithm.Tree => Doublings(processes) is var levels ? levels + levels * (levels + 1) / 2.0 : 0,
        SumAlgorithm.RecursiveDoubling => Doublings(processes),
        _ => 2.0 * (processes - 1) / processes,
    };

    /// <summary>Bytes that all processes send together, in multiples of the array.</summary>
    public static double Traffic(SumAlgorithm algorithm, int processes) =>
        algorithm == SumAlgorithm.RecursiveDoubling ? (double)processes * Doublings(processes) : 2.0 * (processes - 1);

    /// <summary>log2 N, rounded up.</summary>
    private static int Doublings(int processes) => BitOperations.Log2((uint)processes - 1) + 1 is var up && processes > 1 ? up : 0;
}
