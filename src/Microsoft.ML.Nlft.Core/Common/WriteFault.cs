namespace Microsoft.ML.Nlft.Common;

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

    /// <summary>Does what is left to do when something new is in its place, all of it, and reports the first I/O error.</summary>
    /// <exception cref="NlftException">There was one.</exception>
    public static void InPlace(string path, params IEnumerable<Action> actions)
    {
        Exception? first = null;
        foreach (var action in actions)
        {
            try
            {
                action();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                first ??= e;
            }
        }
        if (first is null) return;
        throw new NlftException(path, $"a disk that fails after this was written ({first.Message.TrimEnd('.')})", "one that keeps it and deletes "
            + "what it replaced", "It is whole and in its place: check the disk, and delete what the brackets name if it begins with a dot.", first);
    }

    /// <summary>
    /// Deletes a folder, if it is there, with all that it holds. What fails is tried once more: a folder must be opened before it can be deleted,
    /// and for a moment too many files may be open.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="delete">Deletes it; null: as .NET does.</param>
    /// <exception cref="IOException">It cannot be deleted.</exception>
    public static void DeleteFolder(string folder, Action<string>? delete = null)
    {
        delete ??= path => Directory.Delete(path, recursive: true);
        try
        {
            if (Directory.Exists(folder)) delete(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (Directory.Exists(folder)) delete(folder);
        }
    }

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
