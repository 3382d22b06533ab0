using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The files of the repository.</summary>
internal static class Repository
{
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>Names of the assemblies in src.</summary>
    public static IEnumerable<string> Libraries => Files("*.csproj", "src").Select(project => Path.GetFileNameWithoutExtension(project));

    /// <summary>Files below a folder, build outputs left out, with forward slashes and relative to the root.</summary>
    public static IEnumerable<string> Files(string pattern, params string[] folder) =>
        Directory.EnumerateFiles(PathOf(folder), pattern, SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Intersect(["bin", "obj", "artifacts"]).Any())
            .Order(StringComparer.Ordinal);

    private static string ThisFile([CallerFilePath] string file = "") => file;
}
