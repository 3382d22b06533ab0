namespace Microsoft.ML.Nlft.Common;

/// <summary>Writes files atomically: under a temporary name beside the target, then renamed over it.</summary>
public static class AtomicFile
{
    /// <summary>Writes one file; its folder is created.</summary>
    /// <param name="path">The file. One that is there is replaced.</param>
    /// <param name="write">Writes the contents to the stream that it is given, which it need not flush or close.</param>
    /// <exception cref="NlftException">
    /// The disk is full, the folder cannot be written, or <paramref name="write"/> threw it; the file is unchanged.
    /// </exception>
    public static void Write(string path, Action<Stream> write) => WriteAll((path, write));

    /// <summary>Writes several files: none is renamed before all are written. Creates missing folders.</summary>
    /// <param name="files">One file or more, each with the action that writes its contents.</param>
    /// <exception cref="NlftException">As with <see cref="Write"/>.</exception>
    public static void WriteAll(params (string Path, Action<Stream> Write)[] files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Length == 0) return;
        var staged = new List<(string Temporary, string Path)>();
        var current = files[0].Path;
        try
        {
            foreach (var (path, write) in files)
            {
                current = path;
                var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
                Directory.CreateDirectory(folder);
                var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Path.GetRandomFileName()}");
                staged.Add((temporary, path));
                using var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            foreach (var (temporary, path) in staged) File.Move(temporary, current = path, overwrite: true);
        }
        catch (Exception e)
        {
            foreach (var (temporary, _) in staged) WriteFault.Ignore(() => File.Delete(temporary));
            if (WriteFault.Of(current, e) is { } fault) throw fault;
            throw;
        }
    }

    /// <summary>Creates a folder and checks that files can be written there.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="NlftException">The folder cannot be created or written.</exception>
    public static void TryFolder(string folder)
    {
        var trial = Path.Combine(folder, $".trial.{Path.GetRandomFileName()}");
        try
        {
            Directory.CreateDirectory(folder);
            File.WriteAllBytes(trial, [0]);
            File.Delete(trial);
        }
        catch (Exception e) when (WriteFault.Of(folder, e) is { } fault)
        {
            WriteFault.Ignore(() => File.Delete(trial));
            throw fault;
        }
    }
}

/// <summary>Translates the operating system's write errors into this library's exceptions.</summary>
internal static class WriteFault
{
    // ENOSPC, EDQUOT and EROFS of Linux and macOS; ERROR_HANDLE_DISK_FULL and ERROR_DISK_FULL of Windows, as HRESULTs.
    private static readonly int[] DiskFull = [28, 69, 122, unchecked((int)0x80070027), unchecked((int)0x80070070)];

    /// <summary>
    /// Returns the exception to throw for one from writing <paramref name="path"/>; null for any other exception, which passes unchanged.
    /// </summary>
    public static NlftException? Of(string path, Exception e) => e switch
    {
        IOException when DiskFull.Contains(e.HResult) =>
            new(path, "a full disk", "room for the file",
                "Free space on the disk, or name a place on another one. What was there before is unchanged.", e),
        UnauthorizedAccessException =>
            new(path, "a place that may not be written", "a folder with permission to write",
                "Change its permissions, or name another place. What was there before is unchanged.", e),
        IOException =>
            new(path, $"a place that cannot be written ({e.Message.TrimEnd('.')})", "a place for a file",
                "Name another place. What was there before is unchanged.", e),
        _ => null,
    };

    /// <summary>Runs an action and ignores its I/O errors.</summary>
    public static void Ignore(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
        }
    }
}
