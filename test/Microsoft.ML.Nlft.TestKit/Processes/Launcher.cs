using System.Diagnostics;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>An installed MPI launcher.</summary>
/// <param name="Name">"Open MPI" or "MPICH".</param>
public sealed record Launcher(string Name)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(90);

    /// <summary>The program that each rank runs: its own, or the assembly of the TorchSharp engine's tests, which has an entry point.</summary>
    private static readonly string s_ranks = new[] { "nlft-ranks.dll", "Microsoft.ML.Nlft.TorchSharp.Tests.dll" }
        .Select(file => Path.Combine(AppContext.BaseDirectory, file)).FirstOrDefault(File.Exists) ?? "";

    /// <summary>The assembly to run.</summary>
    public string Assembly { get; init; } = s_ranks;

    private bool IsOpenMpi => Name == "Open MPI";

    /// <summary>
    /// Finds the launcher by its Debian name, or as mpirun if that is of the same family; else skips the test and says what to install.
    /// </summary>
    private string Program
    {
        get
        {
            var (named, word, package) = IsOpenMpi ? ("mpirun.openmpi", "open", "openmpi-bin") : ("mpirun.mpich", "hydra", "mpich");
            if (Found(named)) return named;
            if (Found("mpirun") && Start("mpirun", ["--version"]).Output.Contains(word, StringComparison.OrdinalIgnoreCase)) return "mpirun";
            Assert.Inconclusive($"{named} is not installed: apt install {package}");
            return "";
        }
    }

    /// <summary>Runs <see cref="Assembly"/>.</summary>
    /// <param name="size">The number of processes.</param>
    /// <param name="arguments">The arguments of each process.</param>
    /// <param name="variables">Environment variables.</param>
    /// <param name="survive">Whether the other processes survive when one is killed.</param>
    public ProcessRun Run(int size, string[] arguments, (string Name, string Value)[]? variables = null, bool survive = false)
    {
        string[] options = (IsOpenMpi, survive) switch
        {
            (true, false) => ["--oversubscribe", "--bind-to", "none"],
            (true, true) => ["--oversubscribe", "--bind-to", "none", "--enable-recovery"],
            (false, false) => [],
            (false, true) => ["-disable-auto-cleanup"],
        };
        string[] program = ["dotnet", Assembly, .. arguments];
        // MPICH's launcher kills its child processes but not their children, and sends SIGUSR1, which would end a shell.
        if (survive && !IsOpenMpi) program = ["bash", "-c", $"trap : USR1; {string.Join(' ', program)}; true"];
        return Start(Program, [.. options, "-n", $"{size}", .. program], variables);
    }

    /// <summary>Runs the program of the ranks without a launcher.</summary>
    public static ProcessRun RunAlone(string[] arguments, params (string Name, string Value)[] variables) =>
        Start("dotnet", [s_ranks, .. arguments], variables);

    private static bool Found(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(folder => File.Exists(Path.Combine(folder, program)));

    private static ProcessRun Start(string program, string[] arguments, (string Name, string Value)[]? variables = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            Environment = { ["OMPI_ALLOW_RUN_AS_ROOT"] = "1", ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1", ["DOTNET_TieredPGO"] = "0" },
        };
        foreach (var (name, value) in variables ?? []) start.Environment[name] = value;
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(s_longest))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end within {s_longest.TotalSeconds} s");
        }
        return new ProcessRun(process.ExitCode, output.Result, error.Result, clock.Elapsed);
    }
}

/// <summary>The result of a run.</summary>
public sealed record ProcessRun(int ExitCode, string Output, string Error, TimeSpan Took)
{
    public ProcessRun Require(int exitCode)
    {
        Assert.AreEqual(exitCode, ExitCode, Output + Error);
        return this;
    }
}
