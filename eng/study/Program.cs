// Compares NLFT with supervised fine-tuning on the tiny base model, and writes docs/study.md with its table and plot.
//   ./build.sh study             five families, five sizes, three response mixes, seven methods, five seeds
//   ./build.sh study --quick     one seed, 25 and 50 rows
//   ./build.sh study --variants  NLFT with one option changed at a time; writes docs/study-variants.md
//   ./build.sh study --early-stopping --seeds 2  the epoch that early stopping picks beside the best one; prints a table
//   ./build.sh study --reinforced --seeds 2     NLFT beside reinforced fine-tuning: accuracy, time and memory; prints a table
//   ./build.sh study --informed   methods that may all read the worked solution; writes docs/study-informed.md
//   ./build.sh study --real --seeds 1  methods with a real model; writes docs/study-real.md
//   ./build.sh study --help      all options
// Finished runs are kept in artifacts/study, those of --informed and --real in eng/study/results: a stopped study resumes, and a larger one reuses
// the runs of a smaller one.
using System.CommandLine;
using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Study;

var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};
var parsed = new StudyCommand(RunAsync).Parse(args);
var exitCode = await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false });
return parsed.Errors.Count > 0 ? 2 : exitCode;

async Task<int> RunAsync(StudyOptions options)
{
    try
    {
        await new StudyRun(root, options, Console.Out).RunAsync(stop.Token);
        return 0;
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine("Stopped. The same command resumes the study.");
        return 130;
    }
}

static string ThisFile([CallerFilePath] string path = "") => path;
