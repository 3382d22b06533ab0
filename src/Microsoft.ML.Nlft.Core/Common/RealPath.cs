namespace Microsoft.ML.Nlft.Common;

/// <summary>Compares folders by what they are, through symbolic links and junctions.</summary>
internal static class RealPath
{
    private const int MostLinks = 40;

    /// <summary>Whether two paths name one folder.</summary>
    public static bool Same(string a, string b) => string.Equals(Of(a), Of(b),
        OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase);

    /// <summary>Returns the full path with the links in it resolved; parts that do not exist stay as they are.</summary>
    public static string Of(string path) => Resolve(Path.GetFullPath(path), MostLinks);

    private static string Resolve(string path, int links)
    {
        path = Path.TrimEndingDirectorySeparator(path);
        if (Path.GetDirectoryName(path) is not { } above) return path;
        var parent = Resolve(above, links);
        var here = Path.Combine(parent, Path.GetFileName(path));
        return links > 0 && new DirectoryInfo(here).LinkTarget is { } target
            ? Resolve(Path.GetFullPath(Path.Combine(parent, target)), links - 1) : here;
    }
}
