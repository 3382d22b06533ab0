namespace Microsoft.ML.Nlft.Common;

/// <summary>The rules for files that are written.</summary>
internal static class OutputFile
{
    /// <summary>
    /// Refuses a path where a folder, a pipe, a device or a socket is, or a link to one. A link to a file, or to nothing, may be replaced: what it
    /// leads to is not written.
    /// </summary>
    /// <exception cref="NlftException">Such a thing is there.</exception>
    public static void Require(string path)
    {
        var special = Directory.Exists(path) ? "a folder" : File.Exists(path) ? PosixFile.Special(path) : null;
        if (special is not null) throw Taken(path, new FileInfo(path).LinkTarget is { } target ? $"a link to {target}" : special);
    }

    /// <summary>Refuses the path of a file that a person names where something other than a regular file is, links included.</summary>
    /// <exception cref="NlftException">Something else is there.</exception>
    public static void RequireNoLink(string path)
    {
        if (new FileInfo(path).LinkTarget is { } target) throw Taken(path, $"a link to {target}");
        Require(path);
    }

    /// <summary>Creates a file that is to replace another, with its permissions; with the usual ones if that is a link.</summary>
    /// <param name="path">The new file.</param>
    /// <param name="likeThat">The file to replace; need not exist.</param>
    public static FileStream Create(string path, string likeThat)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 1 << 16 };
        if (OperatingSystem.IsWindows() || !File.Exists(likeThat) || new FileInfo(likeThat).LinkTarget is not null) return new(path, options);
        var mode = options.UnixCreateMode = File.GetUnixFileMode(likeThat);
        var stream = new FileStream(path, options);
        File.SetUnixFileMode(stream.SafeFileHandle, mode.Value); // creation removes what the umask says
        return stream;
    }

    private static NlftException Taken(string path, string found) =>
        new(path, found, "a regular file, or none yet", "Name another place. What was there before is unchanged.");
}
