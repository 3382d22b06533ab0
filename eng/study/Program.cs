// Compares NLFT with supervised fine-tuning on the tiny base model, and writes docs/study.md with its table and plot.
//   ./build.sh study             five families, five sizes, three response mixes, seven methods, five seeds
//   ./build.sh study --quick     one seed, 25 and 50 rows
//   ./build.sh study --variants  NLFT with one option changed at a time; writes docs/study-variants.md
// Options: --seeds N, --rows 10,25, --families NAME,NAME, --rates 1e-3,3e-3, --output FILE (the page; the plot goes beside it).
// What is done lies in artifacts/study: started again, the command goes on where it was stopped, and a larger study takes over what a smaller one did.
using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Study;

var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
if (StudyOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine($"Unknown arguments: {string.Join(' ', args)}.");
    Console.Error.WriteLine("Expected --quick, --variants, --seeds N, --rows 10,25, --families NAME,NAME, --rates 1e-3,3e-3 or --output FILE.");
    return 2;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};
try
{
    await new StudyRun(root, options, Console.Out).RunAsync(stop.Token);
    return 0;
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("Stopped; the same command goes on from here.");
    return 130;
}

static string ThisFile([CallerFilePath] string path = "") => path;
