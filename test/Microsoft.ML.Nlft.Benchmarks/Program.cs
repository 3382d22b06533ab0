using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Microsoft.ML.Nlft.Benchmarks.Yardsticks;
using Microsoft.ML.Nlft.ModelFiles;

// Without arguments: the yardsticks, tables of ratios to named baselines. --only NAMES runs some of them; names of shapes restrict the steps to these
// shapes. --filter PATTERN or --list: the benchmarks of BenchmarkDotNet, which defines these arguments.
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

var position = Array.IndexOf(args, "--artifacts");
var artifacts = position >= 0 && position + 1 < args.Length ? args[position + 1] : Path.Combine("artifacts", "bench");
if (args.Contains("--filter") || args.Contains("--list"))
{
    // In this process, because the builds of BenchmarkDotNet do not know the output folders of the repository.
    var config = DefaultConfig.Instance.AddJob(Job.Default.WithToolchain(InProcessEmitToolchain.Instance));
    var summaries = BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, config).ToArray();
    return summaries.Any(summary => summary.HasCriticalValidationErrors || summary.Reports.Any(report => !report.Success)) ? 1 : 0;
}

(string Name, Action<int, string> Run)[] yardsticks =
[
    ("products", ProductYardstick.Run),
    ("steps", (threads, folder) => StepYardstick.Run(threads, folder, args)),
    ("generation", GenerationYardstick.Run),
    ("generation", LlamaCppYardstick.Run),
    ("generation", ReuseYardstick.Run),
    ("guesses", GuessYardstick.Run),
    ("work", TokenWork.Run),
    ("32k", LlamaCppYardstick.RunLongest), // only by its name
    ("growth", GrowthYardstick.Run),
    ("ranks", RankYardstick.Run),
];
var chosen = Array.FindAll(yardsticks, yardstick => args.Contains(yardstick.Name) || (!args.Contains("--only") && yardstick.Name != "32k"));
if (chosen.Length == 0)
{
    Console.Error.WriteLine($"None of these is a yardstick: {string.Join(' ', args)}. Name one of "
        + $"{string.Join(", ", yardsticks.Select(yardstick => yardstick.Name).Distinct())} after --only.");
    return 2;
}
Console.WriteLine(Machine.Description(Threads));
foreach (var (_, run) in chosen) run(Threads, artifacts);
return 0;
