namespace Microsoft.ML.Nlft.Common;

/// <summary>A new folder that appears whole or not at all: filled beside its place under a temporary name, then renamed.</summary>
internal static class AtomicFolder
{
    /// <summary>Creates a folder.</summary>
    /// <param name="folder">The folder: not there yet, or empty.</param>
    /// <param name="fill">Puts the files into the folder that it is given.</param>
    /// <exception cref="NlftException">There is something at that place already, the disk is full, or the place cannot be written.</exception>
    public static void Write(string folder, Action<string> fill)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        RequireFree(folder);
        var parent = Path.GetDirectoryName(folder)!; // the root is never free
        var staging = Path.Combine(parent, $".{Path.GetFileName(folder)}.{Path.GetRandomFileName()}");
        try
        {
            Directory.CreateDirectory(staging);
            fill(staging);
            RequireFree(folder); // filling takes long: somebody else may have come in between
            if (Directory.Exists(folder)) Directory.Delete(folder);
            Directory.Move(staging, folder);
        }
        catch (Exception e)
        {
            if (Directory.Exists(staging)) WriteFault.Ignore(() => Directory.Delete(staging, recursive: true));
            if (WriteFault.Of(folder, e) is { } fault) throw fault;
            throw;
        }
    }

    private static void RequireFree(string folder)
    {
        var found = File.Exists(folder) ? "a file" : Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any()
            ? "a folder that is not empty"
            : null;
        if (found is not null)
            throw new NlftException(folder, found, "no such folder yet, or an empty one", "Name another folder, or empty this one.");
    }
}
