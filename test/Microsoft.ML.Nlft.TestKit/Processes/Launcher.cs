using System.Diagnostics;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>An installed launcher of MPI.</summary>
/// <param name="Name">"Open MPI" or "MPICH", for test rows.</param>
public sealed record Launcher(string Name)
{
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(90);

    /// <summary>The program of the ranks: one of its own, or the tests' assembly, where its entry point is one.</summary>
    private static readonly string s_ranks = new[] { "nlft-ranks.dll", "Microsoft.ML.Nlft.TorchSharp.Tests.dll" }
        .Select(file => Path.Combine(AppContext.BaseDirectory, file)).FirstOrDefault(File.Exists) ?? "";

    /// <summary>The assembly to run.</summary>
    public string Assembly { get; init; } = s_ranks;

    private bool IsOpenMpi => Name == "Open MPI";

    /// <summary>A program by the name that Debian gives it, or by its own when that is of the right family; else the test is skipped and says what to install.</summary>
    private string Program
    {
        get
        {
            var (named, word, package) = IsOpenMpi ? ("mpirun.openmpi", "open", "openmpi-bin") : ("mpirun.mpich", "hydra", "mpich");
            if (Found(named)) return named;
            if (Found("mpirun") && Start("mpirun", ["--version"]).Output.Contains(word, StringComparison.OrdinalIgnoreCase)) return "mpirun";
            Assert.Inconclusive($"{named} is not here: apt install {package}");
            return "";
        }
    }

    /// <summary>Runs <see cref="Assembly"/>.</summary>
    /// <param name="size">How many processes.</param>
    /// <param name="arguments">What each is to do.</param>
    /// <param name="variables">Environment.</param>
    /// <param name="survive">Whether the launcher leaves the others alone when one is killed.</param>
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
        // MPICH's launcher kills what it started itself, but not what that has started; and it sends SIGUSR1, of which a shell would die.
        if (survive && !IsOpenMpi) program = ["bash", "-c", $"trap : USR1; {string.Join(' ', program)}; true"];
        return Start(Program, [.. options, "-n", $"{size}", .. program], variables);
    }

    /// <summary>Runs the program of the ranks without a launcher.</summary>
    public static ProcessRun RunAlone(string[] arguments, params (string Name, string Value)[] variables) =>
        Start("dotnet", [s_ranks, .. arguments], variables);

    private static bool Found(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));

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

/// <summary>How a run ended.</summary>
public sealed record ProcessRun(int ExitCode, string Output, string Error, TimeSpan Took)
{
    public ProcessRun Require(int exitCode)
    {
        Assert.AreEqual(exitCode, ExitCode, Output + Error);
        return this;
    }
}
