using System.Numerics;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>An all-reduce algorithm.</summary>
internal enum SumAlgorithm
{
    /// <summary>
    /// A reduction up a binomial tree to rank 0 and a broadcast down it, each with the whole array: Open MPI's non-blocking sum in place.
    /// </summary>
    Tree,

    /// <summary>Every process exchanges the whole array with partners at distances 1, 2, 4, ...</summary>
    RecursiveDoubling,

    /// <summary>Recursive halving (reduce-scatter), then recursive doubling (all-gather), by Rabenseifner: MPICH's sum of long arrays.</summary>
    HalvingDoubling,

    /// <summary>Chunks of 1/N of the array pass around a ring, twice.</summary>
    Ring,
}

/// <summary>
/// The cost of summing B bytes over N processes: consecutive messages, and bytes through one process's connection in multiples of B.
/// </summary>
internal static class SumCost
{
    /// <summary>
    /// The maximum bytes of an eager message; longer ones use the rendezvous protocol (Open MPI's btl_tcp_eager_limit).
    /// </summary>
    public const int EagerLimit = 65536;

    /// <summary>Returns the number of consecutive messages.</summary>
    public static int Rounds(SumAlgorithm algorithm, int processes) => Messages(algorithm, processes).Sum(message => message.Count);

    /// <summary>Returns the number of consecutive latencies: one for an eager message, three for a rendezvous.</summary>
    public static int Latencies(SumAlgorithm algorithm, int processes, double bytes) =>
        Messages(algorithm, processes).Sum(message => message.Count * (bytes * message.Share > EagerLimit ? 3 : 1));

    /// <summary>Lists the consecutive messages by number and share of the array.</summary>
    private static IEnumerable<(int Count, double Share)> Messages(SumAlgorithm algorithm, int processes) => processes == 1 ? [] : algorithm switch
    {
        SumAlgorithm.Tree => [(2 * Doublings(processes), 1)],
        SumAlgorithm.RecursiveDoubling => [(Doublings(processes), 1)],
        SumAlgorithm.HalvingDoubling => Enumerable.Range(1, Doublings(processes)).Select(level => (2, Math.Pow(2, -level))),
        _ => [(2 * (processes - 1), 1.0 / processes)],
    };

    /// <summary>Returns the consecutive bytes in multiples of the array.</summary>
    public static double Factor(SumAlgorithm algorithm, int processes) => processes == 1 ? 0 : algorithm switch
    {
        // The reduction takes one level at a time; in the broadcast a process sends to its children at once: L copies, then L - 1, ...
        SumAlgorithm.Tree => Doublings(processes) is var levels ? levels + levels * (levels + 1) / 2.0 : 0,
        SumAlgorithm.RecursiveDoubling => Doublings(processes),
        _ => 2.0 * (processes - 1) / processes,
    };

    /// <summary>Returns the bytes that all processes send, in multiples of the array.</summary>
    public static double Traffic(SumAlgorithm algorithm, int processes) =>
        algorithm == SumAlgorithm.RecursiveDoubling ? (double)processes * Doublings(processes) : 2.0 * (processes - 1);

    /// <summary>Returns log2 N, rounded up.</summary>
    private static int Doublings(int processes) => BitOperations.Log2((uint)processes - 1) + 1 is var up && processes > 1 ? up : 0;
}
