using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Gpu;
using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>A measured step.</summary>
internal sealed record MeasuredStep(string Shape, int Processes, Link Link, StepFigure Figure);

/// <summary>The measurements and their commands.</summary>
internal sealed record Measurements
{
    /// <summary>Steps on one machine, by shape.</summary>
    public required IReadOnlyList<MeasuredStep> Steps { get; init; }

    /// <summary>Sums on one machine.</summary>
    public required IReadOnlyList<MeasuredSum> Sums { get; init; }

    /// <summary>Steps over a network.</summary>
    public IReadOnlyList<MeasuredStep> NetworkSteps { get; init; } = [];

    /// <summary>Sums over a network.</summary>
    public IReadOnlyList<MeasuredSum> NetworkSums { get; init; } = [];

    /// <summary>Why the network was not measured; null when it was.</summary>
    public string? NoNetwork { get; init; }

    /// <summary>The arguments of the command.</summary>
    public string Arguments { get; init; } = "";

    /// <summary>The cores of the machine.</summary>
    public int Cores { get; init; } = Environment.ProcessorCount;

    /// <summary>The commands by the name of the measurement.</summary>
    public Dictionary<string, string> Commands { get; init; } = [];

    private static readonly JsonSerializerOptions s_json = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = true };

    /// <summary>Saves the measurements, so that the page can be written again.</summary>
    public void Save(string path) => ReportFile.Write(path, JsonSerializer.Serialize(this, s_json));

    /// <summary>Loads saved measurements.</summary>
    public static Measurements Load(string path) => JsonSerializer.Deserialize<Measurements>(File.ReadAllText(path), s_json)!;
}

/// <summary>Starts the processes and collects their measurements.</summary>
internal sealed class Measuring(string folder, ScaleOptions options, TextWriter log)
{
    private const int WindowRows = 8, LargeWindowRows = 4, LargestNetwork = 8;

    // Selects Rabenseifner's algorithm in Open MPI.
    private static readonly IReadOnlyList<string> s_rabenseifner = ["--mca", "coll_libnbc_iallreduce_algorithm", "3"];

    private static readonly int[] s_localBytes = [4096, 65536, 1 << 20, 8 << 20];
    private static readonly int[] s_networkBytes = [4096, 1 << 18, 1 << 21];

    /// <summary>The links of the network; the first and the third are used in the fit.</summary>
    public static IReadOnlyList<Link> NetworkLinks { get; } =
        [Link.Of("0.5 ms, 1 Gbit/s", 0.5e-3, 1000), Link.Of("1 ms, 200 Mbit/s", 1e-3, 200), Link.Of("5 ms, 100 Mbit/s", 5e-3, 100),
            Link.Of("20 ms, 100 Mbit/s", 20e-3, 100)];

    /// <summary>Returns whether a network measurement is used in the fit.</summary>
    public static bool IsFitted(int processes, Link link) => processes == 2 && (link == NetworkLinks[0] || link == NetworkLinks[2]);

    public Measurements Run()
    {
        string[] shapes = options.Quick ? ["small-20m"] : ["small-20m", "smollm2-135m"];
        foreach (var shape in shapes) RandomModel.Write(new Workload { Shape = shape, Folder = folder });
        var measured = new Measurements { Steps = [], Sums = [], Arguments = options.Quick ? "--quick" : "" };
        var steps = shapes.SelectMany(shape => (shape == "small-20m" ? (int[])[1, 2, 4] : [1, 2])
            .Select(processes => Train(measured, "steps", processes, shape, Link.OneMachine, OnThisMachine))).ToList();
        var sums = ((int[])[2, 4]).SelectMany(processes => Sums(measured, "sums", processes, s_localBytes, Link.OneMachine, OnThisMachine)).ToList();
        measured = measured with { Steps = steps, Sums = sums };

        using var network = NetworkRig.TryCreate(LargestNetwork, folder, out var reason);
        if (network is null)
        {
            log.WriteLine($"The network is left out: {reason}.");
            return measured with { NoNetwork = reason };
        }
        var (networkSteps, networkSums) = (new List<MeasuredStep>(), new List<MeasuredSum>());
        foreach (var link in NetworkLinks)
        {
            network.Link = link;
            foreach (var processes in (int[])[2, 4])
            {
                networkSums.AddRange(Sums(measured, "network sums", processes, s_networkBytes, link, network.Launch));
                if (link.BytesPerSecond < 20e6) networkSteps.Add(Train(measured, "network steps", processes, "small-20m", link, network.Launch));
            }
        }
        network.Link = NetworkLinks[1];
        networkSums.AddRange(Sums(measured, "network sums", LargestNetwork, s_networkBytes, NetworkLinks[1], network.Launch));
        foreach (var processes in (int[])[4, LargestNetwork])
        {
            networkSums.AddRange(Sums(measured, "network sums, Rabenseifner", processes, s_networkBytes[1..], NetworkLinks[1], (count, program) =>
                network.Launch(count, [.. s_rabenseifner, .. program]))
                .Select(sum => sum with { Configured = SumAlgorithm.HalvingDoubling }));
        }
        return measured with { NetworkSteps = networkSteps, NetworkSums = networkSums };
    }

    private static IReadOnlyList<string> OnThisMachine(int processes, IReadOnlyList<string> program) =>
        ["mpirun.openmpi", "-n", $"{processes}", "--oversubscribe", "--bind-to", "none", .. program];

    private MeasuredStep Train(Measurements measured, string name, int processes, string shape, Link link,
        Func<int, IReadOnlyList<string>, IReadOnlyList<string>> launch)
    {
        var (rows, steps) = shape == "small-20m" ? (WindowRows, processes == 1 ? 4 : 7) : (LargeWindowRows, 2 + processes); // the first steps compile
        var figure = Start<StepFigure>(measured, name, launch(processes,
            [Environment.ProcessPath!, "rank", "train", shape, folder, $"{rows}", $"{steps}"])).Single();
        Log($"{shape}, {processes} processes, {link.Name}: a step {figure.Seconds:0.000} s");
        return new MeasuredStep(shape, processes, link, figure);
    }

    private IReadOnlyList<MeasuredSum> Sums(Measurements measured, string name, int processes, int[] bytes, Link link,
        Func<int, IReadOnlyList<string>, IReadOnlyList<string>> launch)
    {
        const int times = 3; // short sums twice as often
        var figures = Start<SumFigure>(measured, name, launch(processes,
            [Environment.ProcessPath!, "rank", "sum", $"{times}", .. bytes.Select(one => one.ToString(CultureInfo.InvariantCulture))]));
        foreach (var figure in figures)
            Log($"{processes} processes, {link.Name}: a sum of {figure.Bytes / 1024:0} KiB {1000 * figure.Seconds:0.00} ms");
        return [.. figures.Select(figure => new MeasuredSum(processes, figure.Bytes, link, figure.Seconds))];
    }

    private IReadOnlyList<T> Start<T>(Measurements measured, string name, IReadOnlyList<string> command)
    {
        measured.Commands.TryAdd(name, string.Join(' ', command)
            .Replace(Environment.ProcessPath!, Path.GetFileName(Environment.ProcessPath!), StringComparison.Ordinal)
            .Replace(Path.GetFullPath(Path.Combine(folder, "..", "..")) + Path.DirectorySeparatorChar, "", StringComparison.Ordinal));
        return Shell.Run<T>(command);
    }

    private void Log(FormattableString text) => log.WriteLine(text.ToString(CultureInfo.InvariantCulture));
}
