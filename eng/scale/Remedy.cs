namespace Microsoft.ML.Nlft.Scale;

/// <summary>A remedy for slow networks and its price.</summary>
/// <param name="Name">The name in tables.</param>
/// <param name="Apply">Applies the remedy to the work of a step.</param>
/// <param name="Price">Its price.</param>
internal sealed record Remedy(string Name, Func<StepWork, StepWork> Apply, string Price)
{
    /// <summary>All remedies, from none to all combined.</summary>
    public static IReadOnlyList<Remedy> All { get; } =
    [
        new("as it is", work => work, "-"),
        new("Rabenseifner's algorithm", work =>
            work with { Algorithm = SumAlgorithm.HalvingDoubling },
            "none: OMPI_MCA_coll_libnbc_iallreduce_algorithm=3 in the environment of Open MPI; MPICH uses it by default"),
        new("window 8 times as large", work => work with { Rows = 8 * work.Rows },
            "an eighth of the optimizer steps in an epoch; the rate may have to rise"),
        new("8 local steps per sum", work => work with { StepsPerSum = 8 },
            "the copies diverge between sums, unlike training on one process; not in the library"),
        new("gradients in 16 bits", work => work with { Bytes = work.Bytes / 2 }, "each gradient is rounded to 16 bits; not in the library"),
        new("the largest 1 % of the gradients, with indices", work =>
            work with { Bytes = work.Bytes / 50 }, "the rest is carried over to later steps; not in the library"),
        new("window 8 times as large, 8 local steps, 16 bits", work =>
            work with { Rows = 8 * work.Rows, StepsPerSum = 8, Bytes = work.Bytes / 2 }, "all three"),
    ];
}
