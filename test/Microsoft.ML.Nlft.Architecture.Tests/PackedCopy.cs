using System.Diagnostics;
using System.IO.Compression;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>A copy of the sources in a temporary folder, and the packages that <c>./build.sh pack</c> makes of it.</summary>
internal sealed class PackedCopy : IDisposable
{
    private const string Sdk = "10.0.400"; // older ones have not been tried

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlft-pack-");

    /// <summary>Copies the sources and packs them.</summary>
    /// <param name="place">Folder of the copy, below the temporary one.</param>
    /// <param name="backwards">Creates the files in reverse order: some file systems list them by it.</param>
    public PackedCopy(string place, bool backwards)
    {
        Root = Path.Combine(_folder.FullName, place);
        try
        {
            Copy(backwards);
            var sdk = Version.Parse(Run("--version").Trim().Split('-')[0]);
            if (sdk < Version.Parse(Sdk)) Assert.Inconclusive($"Skipped: needs the .NET SDK {Sdk}.");
            Run("msbuild eng/build.proj -nologo -verbosity:minimal -nodeReuse:false -property:Verb=pack -target:pack");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Root { get; }

    /// <summary>The names of the packages, symbols included.</summary>
    public IEnumerable<string> Packages =>
        Directory.GetFiles(Path.Combine(Root, "artifacts", "packages")).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal);

    public string PathOf(string package) => Path.Combine(Root, "artifacts", "packages", package);

    public byte[] Bytes(string package) => File.ReadAllBytes(PathOf(package));

    /// <summary>The files of a package, without those of the format itself.</summary>
    public Dictionary<string, byte[]> Contents(string package)
    {
        using var zip = ZipFile.OpenRead(PathOf(package));
        return zip.Entries.Where(entry => entry.FullName is not ("[Content_Types].xml" or "_rels/.rels") && !entry.FullName.StartsWith("package/"))
            .ToDictionary(entry => entry.FullName, entry =>
            {
                using var bytes = new MemoryStream();
                using (var content = entry.Open()) content.CopyTo(bytes);
                return bytes.ToArray();
            });
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private void Copy(bool backwards)
    {
        string[] settings = ["Directory.Build.props", "Directory.Packages.props", "NuGet.config", "global.json", ".config/dotnet-tools.json"];
        var files = settings.Concat([".editorconfig", "README.md", "LICENSE", .. Repository.Files("*", "src"), .. Repository.Files("*", "eng")]);
        foreach (var file in backwards ? files.Reverse() : files)
        {
            var copy = Path.Combine(Root, file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Repository.PathOf(file), copy);
        }
    }

    private string Run(string arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = Root,
            RedirectStandardOutput = true,
            // Without analyzers: the build of these tests ran them on the same sources.
            Environment =
            {
                ["NLFT_ARGUMENTS"] = "", ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1", ["CI"] = "true", ["RunAnalyzers"] = "false",
            },
        };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, output);
        return output;
    }
}
