using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Finds the installed MPI library that belongs to a launcher.</summary>
internal static class MpiFinder
{
    /// <summary>The environment variable that names the library to use.</summary>
    public const string Variable = "NLFT_MPI_LIBRARY";

    /// <summary>Opens the library.</summary>
    /// <param name="launcher">The launcher that started the process.</param>
    /// <param name="variable">Reads an environment variable.</param>
    /// <param name="load">Loads a library by name or path; returns null when there is none.</param>
    /// <exception cref="NlftException">No matching library is installed, or the named one cannot be used.</exception>
    public static MpiLibrary Open(MpiLauncher launcher, Func<string, string?> variable, Func<string, nint?> load)
    {
        if (variable(Variable) is { Length: > 0 } named)
        {
            if (load(named) is not { } handle)
            {
                throw new NlftException($"environment variable {Variable}", $"\"{named}\", which cannot be loaded",
                    "an MPI library, as a path or a name",
                    "Correct it, or leave it out to have the installed library found.");
            }
            return new MpiLibrary(named, handle);
        }
        var others = new List<string>();
        foreach (var family in launcher.Families)
        {
            foreach (var name in Candidates(family, variable))
            {
                if (load(name) is not { } handle) continue;
                if (MpiLibrary.FamilyOf(handle) == family) return new MpiLibrary(name, handle);
                others.Add(name);
                NativeLibrary.Free(handle);
            }
        }
        throw new NlftException("MPI", others.Count == 0 ? "no MPI library on this machine"
            : $"no MPI library that fits, only {string.Join(", ", others.Distinct())}",
            $"the library of {launcher.Name}, which started this process", $"{Remedy(launcher.Families[0])} Or name the library in {Variable}.");
    }

    /// <summary>Returns how to install a library of a family.</summary>
    public static string Remedy(MpiFamily family) =>
        OperatingSystem.IsWindows() ? "Install Microsoft MPI (msmpisetup.exe, https://github.com/microsoft/Microsoft-MPI/releases)."
        : OperatingSystem.IsMacOS() ? $"Install it: brew install {(family == MpiFamily.OpenMpi ? "open-mpi" : "mpich")}."
        : family == MpiFamily.OpenMpi
            ? "Install it: apt install openmpi-bin (Debian, Ubuntu), dnf install openmpi (Fedora), or load your cluster's module."
        : "Install it: apt install mpich (Debian, Ubuntu), dnf install mpich (Fedora), or load your cluster's module.";

    /// <summary>
    /// Lists the names for the loader, then files beside the launchers on the path: cluster modules do not always configure the loader.
    /// </summary>
    private static IEnumerable<string> Candidates(MpiFamily family, Func<string, string?> variable)
    {
        var open = family == MpiFamily.OpenMpi;
        string[] names = OperatingSystem.IsWindows() ? (open ? [] : ["msmpi.dll", "impi.dll"])
            : OperatingSystem.IsMacOS() ? (open ? ["libmpi.40.dylib", "libmpi.dylib"] : ["libmpi.12.dylib", "libmpi.dylib"])
            : open ? ["libmpi.so.40", "libmpi.so"] : ["libmpich.so.12", "libmpi.so.12", "libmpi.so"];
        var folders = (variable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Where(folder => File.Exists(Path.Combine(folder, "mpirun")))
            .SelectMany(folder => new[] { Path.Combine(folder, "..", "lib"), Path.Combine(folder, "..", "lib64") });
        return [.. names, .. folders.SelectMany(folder => names.Select(name => Path.GetFullPath(Path.Combine(folder, name)))).Where(File.Exists)];
    }
}
