using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A program of the repository, published for a system with all that it needs of the runtime.</summary>
/// <param name="Executable">The executable.</param>
/// <param name="Log">What the build printed.</param>
internal sealed partial record Published(string Executable, string Log)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(8);

    /// <summary>Gets the repository's folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Gets the folder of what was published.</summary>
    public string Folder => Path.GetDirectoryName(Executable)!;

    /// <summary>
    /// Compiles the program nlft-aot to native code; skips the test where something is missing that a native program is linked with.
    /// </summary>
    public static Published Native()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Skipped: the native program is tested on Linux.");
        var linker = new[] { "clang", "gcc" }.FirstOrDefault(Found);
        if (linker is null) Assert.Inconclusive("Skipped: there is no linker: apt install clang, or gcc.");
        if (!File.Exists("/usr/include/zlib.h")) Assert.Inconclusive("Skipped: there is no zlib to link with: apt install zlib1g-dev.");
        return Make("Microsoft.ML.Nlft.Aot", "nlft-aot", "native", RuntimeInformation.RuntimeIdentifier, "-p:PublishAot=true",
            "-p:TrimmerSingleWarn=false", $"-p:CppCompilerAndLinker={linker}",
            $"-p:NlftCore={Path.Combine(AppContext.BaseDirectory, "Microsoft.ML.Nlft.Core.dll")}");
    }

    /// <summary>Publishes a program; skips the test where a package of the other system cannot be restored.</summary>
    /// <param name="project">The project's name.</param>
    /// <param name="name">The program's name.</param>
    /// <param name="artifacts">The folder of all output, below that of the build.</param>
    /// <param name="system">The system's runtime identifier.</param>
    /// <param name="properties">More arguments of the build.</param>
    public static Published Make(string project, string name, string artifacts, string system, params string[] properties)
    {
        artifacts = Path.Combine(Root, "artifacts", artifacts);
        var folder = Path.Combine(artifacts, "published");
        var (exit, log) = Run("dotnet", ["publish", Path.Combine(Root, "test", project), "--configuration", "Release", "--runtime", system,
            "--self-contained", "--output", folder, "-nodeReuse:false", "-p:TreatWarningsAsErrors=false", "-p:RunAnalyzersDuringBuild=false",
            $"-p:ArtifactsPath={artifacts}", .. properties,
            // The lock file has neither the compiler nor another system's runtime in it; NuGet refuses to ignore one that lies beside the project,
            // so it is told to look elsewhere.
            "-p:RestorePackagesWithLockFile=false", "-p:RestoreLockedMode=false", $"-p:NuGetLockFilePath={artifacts}/no.lock.json"]);
        if (Missing().Match(log) is { Success: true } missing) Assert.Inconclusive($"Skipped: a package could not be restored: {missing.Value}");
        Assert.AreEqual(0, exit, log);
        return new Published(Path.Combine(folder, name), log);
    }

    /// <summary>Runs a program and returns its exit code and all that it prints.</summary>
    public static (int Exit, string Output) Run(string program, string[] arguments, params (string Name, string Value)[] variables)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        foreach (var (name, value) in variables) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(s_longest))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} took longer than {s_longest}.");
        }
        return (process.ExitCode, output.Result + errors.Result);
    }

    /// <summary>Returns whether a program is on the path.</summary>
    public static bool Found(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, program)));

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Microsoft.ML.Nlft.sln"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }

    [GeneratedRegex("error NU1[013]0[0-9]: .*")]
    private static partial Regex Missing();
}
