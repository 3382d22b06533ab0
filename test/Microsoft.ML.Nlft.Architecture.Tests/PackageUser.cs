using System.Diagnostics;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>A folder of a user who has our packages from a local feed, and all others from where this repository has them.</summary>
internal sealed class PackageUser : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlft-user-");

    public PackageUser(PackedCopy packed)
    {
        // A package of ours that was installed on this machine earlier must not stand in for the one of the feed.
        var machine = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        var known = !Directory.Exists(machine) || Directory.GetDirectories(machine, "microsoft.ml.nlft*").Length > 0 ? ""
            : $"""<fallbackPackageFolders><add key="machine" value="{machine}" /></fallbackPackageFolders>""";
        File.WriteAllText(PathOf("NuGet.config"), File.ReadAllText(Repository.PathOf("NuGet.config"))
            .Replace("</packageSources>", $"""
                <add key="packed" value="{Path.GetDirectoryName(packed.PathOf("any"))}" /></packageSources>
                <config><add key="globalPackagesFolder" value="{PathOf("packages")}" /></config>{known}
                """));
    }

    public string PathOf(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>Runs dotnet in the folder and returns what it prints.</summary>
    public string Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = _folder.FullName, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment.Remove("NUGET_PACKAGES");
        string[] quiet = ["DOTNET_CLI_TELEMETRY_OPTOUT", "DOTNET_NOLOGO", "DOTNET_SKIP_FIRST_TIME_EXPERIENCE"];
        foreach (var name in quiet) start.Environment[name] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, $"dotnet {string.Join(' ', arguments)}\n{output}\n{errors.Result}");
        return output;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
