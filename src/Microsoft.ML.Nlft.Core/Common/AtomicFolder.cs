namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Creates folders atomically: filled under a temporary name beside the target, then renamed; a folder that is replaced is exchanged in one step
/// where the file system can (Linux). A link is refused: name the folder behind it.
/// </summary>
internal static class AtomicFolder
{
    /// <summary>Creates a folder.</summary>
    /// <param name="folder">The folder; it must be empty or not exist yet.</param>
    /// <param name="fill">Writes the files into the folder that it receives.</param>
    /// <param name="replaceable">Whether a folder that is not empty may be replaced as a whole; null: none may.</param>
    /// <exception cref="NlftException">The path is taken, the disk is full, or the path cannot be written.</exception>
    public static void Write(string folder, Action<string> fill, Func<string, bool>? replaceable = null)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        RequireFree(folder, replaceable);
        var parent = Path.GetDirectoryName(folder)!; // the root is never free
        var staging = Path.Combine(parent, $".{Path.GetFileName(folder)}.{Path.GetRandomFileName()}");
        var old = staging + ".old";
        var (isExchanged, isMoved) = (false, false);
        try
        {
            PosixFile.CreateFolder(parent);
            Directory.CreateDirectory(staging);
            fill(staging);
            RequireFree(folder, replaceable); // filling takes long: another process may have taken the path meanwhile
            isExchanged = Directory.Exists(folder) && PosixFile.Exchange(staging, folder);
            if (!isExchanged)
            {
                if (Directory.Exists(folder)) Directory.Move(folder, old);
                Directory.Move(staging, folder);
                isMoved = true;
            }
            PosixFile.SyncFolder(parent);
        }
        catch (Exception e)
        {
            WriteFault.Ignore(() =>
            {
                if (isExchanged) PosixFile.Exchange(staging, folder);
                if (isMoved) Directory.Move(folder, staging);
                if (Directory.Exists(old)) Directory.Move(old, folder);
            });
            WriteFault.Ignore(() => WriteFault.DeleteFolder(staging));
            if (WriteFault.Of(folder, e) is { } fault) throw fault;
            throw;
        }
        if (isExchanged) old = staging;
        WriteFault.InPlace(folder, () => WriteFault.DeleteFolder(old));
    }

    private static void RequireFree(string folder, Func<string, bool>? replaceable)
    {
        var found = new DirectoryInfo(folder).LinkTarget is { } target ? $"a link to {target}" : File.Exists(folder) ? "a file"
            : Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any() && replaceable?.Invoke(folder) != true
                ? "a folder that is not empty" : null;
        if (found is not null)
            throw new NlftException(folder, found, "no such folder yet, or an empty one", "Name another folder, or empty this one.");
    }
}
