namespace Microsoft.ML.Nlft.Common;

/// <summary>Says why there is no file at a path.</summary>
internal static class FilePresence
{
    /// <summary>What <see cref="Fault"/> returns where there is nothing at all.</summary>
    public const string Nothing = "no such file";

    /// <summary>
    /// Returns what is at the path in place of a regular file: nothing, a folder, a pipe, a device or a link to nothing; null if there is a file.
    /// </summary>
    public static string? Fault(string path)
    {
        if (path.Contains('\0')) return Nothing; // no file has such a name, and FileInfo throws
        if (Directory.Exists(path)) return "a folder";
        var file = new FileInfo(path);
        if (file.LinkTarget is not { } target) return file.Exists ? PosixFile.Special(path) : Nothing;
        try
        {
            return file.ResolveLinkTarget(returnFinalTarget: true) is { Exists: true } ? PosixFile.Special(path)
                : $"a link to {target}, where there is no file";
        }
        catch (IOException)
        {
            return $"a link to {target}, which leads to no file";
        }
    }
}
