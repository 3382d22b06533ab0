using System.Globalization;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>The two binary interfaces of MPI libraries, which differ in the representation of handles.</summary>
internal enum MpiFamily
{
    /// <summary>Open MPI: handles are addresses of exported objects.</summary>
    OpenMpi,

    /// <summary>MPICH and its descendants (Intel MPI, MVAPICH, Cray MPICH, Microsoft MPI): handles are numbers.</summary>
    Mpich,
}

/// <summary>The launcher that started this process, detected from its environment.</summary>
/// <param name="Name">The name in messages.</param>
/// <param name="Size">The number of processes that it announces, or null.</param>
/// <param name="Families">The library families that work with it, the likeliest first.</param>
internal sealed record MpiLauncher(string Name, int? Size, IReadOnlyList<MpiFamily> Families)
{
    /// <summary>Detects the launcher; null when no MPI launcher started the process.</summary>
    /// <param name="variable">Reads an environment variable.</param>
    public static MpiLauncher? Detect(Func<string, string?> variable)
    {
        // Open MPI's mpirun (orterun, prterun): docs.open-mpi.org, "Environment variables".
        if (Number("OMPI_COMM_WORLD_SIZE") is { } openMpi) return new("Open MPI's mpirun", openMpi, [MpiFamily.OpenMpi]);
        // Hydra (MPICH, Intel MPI, MVAPICH) and Microsoft's mpiexec pass a rank and a size for PMI; so does srun --mpi=pmi2.
        var mpiexec = OperatingSystem.IsWindows() ? "Microsoft MPI's mpiexec" : "MPICH's mpiexec";
        if (Number("PMI_SIZE") is { } pmi) return new(mpiexec, pmi, [MpiFamily.Mpich, MpiFamily.OpenMpi]);
        if (Number("MV2_COMM_WORLD_SIZE") is { } mvapich) return new("MVAPICH's mpirun", mvapich, [MpiFamily.Mpich]);
        // srun starts steps of several tasks; PMIx carries no size in the environment.
        if (Number("SLURM_STEP_NUM_TASKS") is > 1 and var tasks && Number("SLURM_PROCID") is not null)
            return new("srun", tasks, [MpiFamily.OpenMpi, MpiFamily.Mpich]);
        return Number("PMIX_RANK") is null ? null : new("a PMIx launcher", null, [MpiFamily.OpenMpi, MpiFamily.Mpich]);

        int? Number(string name) =>
            int.TryParse(variable(name), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) && value >= 0 ? value : null;
    }
}
