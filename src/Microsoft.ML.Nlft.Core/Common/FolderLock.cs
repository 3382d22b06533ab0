namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Keeps other processes from writing to a folder: holds a file open that no other can open. The operating system releases it with the process, so
/// that a process that was killed blocks nobody; the file that it leaves is used again.
/// </summary>
internal sealed class FolderLock : IDisposable
{
    private const string Name = ".nlft.lock";
    private const int Attempts = 10;

    // EWOULDBLOCK of Linux and macOS; ERROR_SHARING_VIOLATION of Windows, as an HRESULT.
    private static readonly int[] Held = [11, 35, unchecked((int)0x80070020)];

    private readonly FileStream _file;

    private FolderLock(FileStream file) => _file = file;

    /// <summary>Locks a folder for writing, through a file in it; creates the folder.</summary>
    /// <exception cref="NlftException">Another process, or another run of this one, holds it; or the folder cannot be written.</exception>
    public static FolderLock Inside(string folder) => Take(Path.Combine(folder, Name), folder);

    /// <summary>Locks a folder that is to be created or replaced, through a file beside it.</summary>
    /// <exception cref="NlftException">As with <see cref="Inside"/>.</exception>
    public static FolderLock Beside(string folder)
    {
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        return Take(Path.Combine(Path.GetDirectoryName(folder) ?? folder, $".{Path.GetFileName(folder)}{Name}"), folder);
    }

    /// <summary>Releases the folder and deletes the file.</summary>
    public void Dispose() => _file.Dispose();

    private static FolderLock Take(string path, string folder)
    {
        try
        {
            PosixFile.CreateFolder(Path.GetDirectoryName(path)!);
            OutputFile.Require(path);
            for (var attempt = 1; ; attempt++)
            {
                var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 0, FileOptions.DeleteOnClose);
                if (File.Exists(path) || attempt == Attempts) return new(file);
                file.Dispose(); // its last owner deleted it between our opening and locking it
            }
        }
        catch (IOException e) when (Held.Contains(e.HResult))
        {
            throw new NlftException(folder, "a folder to which another run is writing", "a folder for this run alone",
                "Wait for the other run, or name another folder.", e);
        }
        catch (Exception e) when (WriteFault.Of(folder, e) is { } fault)
        {
            throw fault;
        }
    }
}
