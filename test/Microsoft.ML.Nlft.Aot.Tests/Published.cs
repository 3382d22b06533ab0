using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The program nlft-aot, compiled to native code.</summary>
/// <param name="Folder">The folder of what was published.</param>
/// <param name="Log">What the build printed.</param>
internal sealed partial record Published(string Folder, string Log)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(8);

    /// <summary>Gets the repository's folder.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Gets the native executable.</summary>
    public string Executable => Path.Combine(Folder, "nlft-aot");

    /// <summary>Publishes the program; skips the test where something is missing that a native program is linked with.</summary>
    public static Published Make()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Skipped: the native program is tested on Linux.");
        var linker = new[] { "clang", "gcc" }.FirstOrDefault(Found);
        if (linker is null) Assert.Inconclusive("Skipped: there is no linker: apt install clang, or gcc.");
        if (!File.Exists("/usr/include/zlib.h")) Assert.Inconclusive("Skipped: there is no zlib to link with: apt install zlib1g-dev.");
        var artifacts = Path.Combine(Root, "artifacts", "native");
        var folder = Path.Combine(artifacts, "published");
        var (exit, log) = Run("dotnet", ["publish", Path.Combine(Root, "test", "Microsoft.ML.Nlft.Aot"), "--configuration", "Release",
            "--runtime", RuntimeInformation.RuntimeIdentifier, "--output", folder, "-nodeReuse:false", "-p:PublishAot=true",
            "-p:TrimmerSingleWarn=false", "-p:TreatWarningsAsErrors=false", "-p:RunAnalyzersDuringBuild=false", $"-p:ArtifactsPath={artifacts}",
            $"-p:CppCompilerAndLinker={linker}", $"-p:NlftCore={Path.Combine(AppContext.BaseDirectory, "Microsoft.ML.Nlft.Core.dll")}",
            .. Unlocked(artifacts)]);
        if (Missing().Match(log) is { Success: true } missing) Assert.Inconclusive($"Skipped: a package could not be restored: {missing.Value}");
        Assert.AreEqual(0, exit, log);
        return new Published(folder, log);
    }

    /// <summary>
    /// The arguments for packages that the lock file does not have, such as a compiler or another system's runtime. NuGet refuses to ignore a lock
    /// file beside the project, so it is told to look elsewhere.
    /// </summary>
    public static string[] Unlocked(string artifacts) =>
        ["-p:RestorePackagesWithLockFile=false", "-p:RestoreLockedMode=false", $"-p:NuGetLockFilePath={artifacts}/no.lock.json"];

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
