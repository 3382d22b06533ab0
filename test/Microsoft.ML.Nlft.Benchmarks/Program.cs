using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Microsoft.ML.Nlft.Benchmarks.Yardsticks;
using Microsoft.ML.Nlft.ModelFiles;

// Without arguments: the yardsticks, a table of ratios against named rivals; --only NAMES for some of them, and with names of shapes too the steps of these
// alone. With BenchmarkDotNet's own (--filter PATTERN, --list): its benchmarks.
const int Threads = 2;
if (args is ["--step", var shape, var type, var kind, var threads, var folder])
{
    StepYardstick.RunChild(shape, Enum.Parse<TensorType>(type), kind, int.Parse(threads, System.Globalization.CultureInfo.InvariantCulture), folder);
    return 0;
}

if (args is ["--rank-steps", var rankShape, var rankFolder])
{
    RankYardstick.RunChild(rankShape, rankFolder);
    return 0;
}

var place = Array.IndexOf(args, "--artifacts");
var artifacts = place >= 0 && place + 1 < args.Length ? args[place + 1] : Path.Combine("artifacts", "bench");
if (args.Contains("--filter") || args.Contains("--list"))
{
    // In this process: BenchmarkDotNet's own builds do not know the repository's output folders.
    var config = DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance));
    var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config).ToArray();
    return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)) ? 1 : 0;
}

Console.WriteLine(Machine.Description(Threads));
foreach (var (name, run) in ((string, Action<int, string>)[])[
    ("products", ProductYardstick.Run), ("steps", (threads, folder) => StepYardstick.Run(threads, folder, args)), ("generation", GenerationYardstick.Run), ("growth", GrowthYardstick.Run), ("ranks", RankYardstick.Run)])
    if (!args.Contains("--only") || args.Contains(name)) run(Threads, artifacts);
return 0;
