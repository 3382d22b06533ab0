using System.Runtime.CompilerServices;
using System.Text.Json;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// The shared test data: the folder named by NLFT_FIXTURES, default ../shared beside the repository. It is never part of the repository.
/// </summary>
public static class Fixtures
{
    public static string Root { get; } =
        Path.GetFullPath(Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine(RepositoryRoot(), "..", "shared"));

    public static bool Available => Directory.Exists(Root);

    public static string Path_(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The names of the folders directly below <paramref name="parts"/>, as test data rows; none when there is no such folder.</summary>
    public static IEnumerable<object[]> Folders(params string[] parts)
    {
        var folder = Path_(parts);
        return !Directory.Exists(folder) ? []
            : Directory.GetDirectories(folder).Order(StringComparer.Ordinal).Select(path => new object[] { Path.GetFileName(path) });
    }

    public static JsonDocument Json(params string[] parts) => JsonDocument.Parse(File.ReadAllBytes(Path_(parts)));

    public static string RepositoryRoot() => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
