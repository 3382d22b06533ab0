using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The files of the repository.</summary>
internal static class Repository
{
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>Names of the assemblies in src that this build leaves out: the command-line tool on Offline, the TorchSharp engine where no feed has its packages.</summary>
    public static IReadOnlyList<string> LibrariesLeftOut { get; } =
    [
#if !NLFT_PACKAGES
        "Microsoft.ML.Nlft.Tool",
#endif
#if !NLFT_TORCH
        "Microsoft.ML.Nlft.TorchSharp",
#endif
    ];

    /// <summary>Names of the assemblies in src that this build makes.</summary>
    public static IEnumerable<string> Libraries => Files("*.csproj", "src").Select(project => Path.GetFileNameWithoutExtension(project)).Except(LibrariesLeftOut);

    /// <summary>Files below a folder, build outputs left out, with forward slashes and relative to the root.</summary>
    public static IEnumerable<string> Files(string pattern, params string[] folder) =>
        Directory.EnumerateFiles(PathOf(folder), pattern, SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, file).Replace('\\', '/'))
            .Where(file => !file.Split('/').Intersect(["bin", "obj", "artifacts"]).Any())
            .Order(StringComparer.Ordinal);

    private static string ThisFile([CallerFilePath] string file = "") => file;
}
