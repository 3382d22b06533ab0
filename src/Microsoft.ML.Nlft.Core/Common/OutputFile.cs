namespace Microsoft.ML.Nlft.Common;

/// <summary>The rules for files that are written.</summary>
internal static class OutputFile
{
    /// <summary>Refuses a path where something other than a regular file is; a link is not followed and not replaced.</summary>
    /// <exception cref="NlftException">A link, a folder, a pipe, a device or a socket is there.</exception>
    public static void Require(string path)
    {
        var found = new FileInfo(path).LinkTarget is { } target ? $"a link to {target}"
            : Directory.Exists(path) ? "a folder" : File.Exists(path) ? PosixFile.Special(path) : null;
        if (found is not null)
            throw new NlftException(path, found, "a regular file, or none yet", "Name another place. What was there before is unchanged.");
    }

    /// <summary>Creates a file that is to replace another, with its permissions.</summary>
    /// <param name="path">The new file.</param>
    /// <param name="likeThat">The file to replace; need not exist.</param>
    public static FileStream Create(string path, string likeThat)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None, BufferSize = 1 << 16 };
        if (OperatingSystem.IsWindows() || !File.Exists(likeThat)) return new(path, options);
        var mode = options.UnixCreateMode = File.GetUnixFileMode(likeThat);
        var stream = new FileStream(path, options);
        File.SetUnixFileMode(stream.SafeFileHandle, mode.Value); // creation removes what the umask says
        return stream;
    }
}
