namespace Microsoft.ML.Nlft.Scale;

/// <summary>What can be done where the network is slow, and its price.</summary>
/// <param name="Name">For tables.</param>
/// <param name="Apply">The step with it.</param>
/// <param name="Price">What it costs.</param>
internal sealed record Remedy(string Name, Func<StepWork, StepWork> Apply, string Price)
{
    /// <summary>From nothing to everything.</summary>
    public static IReadOnlyList<Remedy> All { get; } =
    [
        new("as it is", work => work, "-"),
        new("halves (Rabenseifner) instead of a tree", work => work with { Algorithm = SumAlgorithm.HalvingDoubling }, "none: OMPI_MCA_coll_libnbc_iallreduce_algorithm=3 in the environment of Open MPI; MPICH does it by itself"),
        new("window 8 times as large", work => work with { Rows = 8 * work.Rows }, "an eighth of the optimizer steps in an epoch; the rate may have to rise"),
        new("8 local steps to a sum", work => work with { StepsPerSum = 8 }, "the copies part between sums: no longer the model of one process; not in the library"),
        new("gradients in 16 bits", work => work with { Bytes = work.Bytes / 2 }, "8 bits of each gradient are rounded off; not in the library"),
        new("the largest 1 % of the gradients, with their places", work => work with { Bytes = work.Bytes / 50 }, "the rest is carried over to later steps; not in the library"),
        new("window 8 times as large, 8 local steps, 16 bits", work => work with { Rows = 8 * work.Rows, StepsPerSum = 8, Bytes = work.Bytes / 2 }, "all three together"),
    ];
}
