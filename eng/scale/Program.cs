// Measures how training scales over processes, fits a cost model to it, and writes docs/scale.md with what the model predicts.
//   ./build.sh scale             about four minutes; needs Open MPI (apt install openmpi-bin), and root for the network between namespaces
//   ./build.sh scale --quick     the small model alone
//   ./build.sh scale --page      nothing is measured: the page again from what the last run measured (artifacts/scale/measured.json)
// Options: --quick, --page, --output FILE (the page; the plot goes to images/ beside it). What cannot be measured here is left out with a line that says so.
using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Scale;

switch (args)
{
    case ["rank", "sum", .. var sums]: Rank.Sum(sums); return 0;
    case ["rank", "train", .. var steps]: Rank.Train(steps); return 0;
}
if (ScaleOptions.Parse(args) is not { } options)
{
    Console.Error.WriteLine($"Unknown arguments: {string.Join(' ', args)}.");
    Console.Error.WriteLine("Expected --quick, --page or --output FILE.");
    return 2;
}
var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
var folder = Path.Combine(root, "artifacts", "scale");
var kept = Path.Combine(folder, "measured.json");
if (!options.PageOnly)
{
    if (Shell.Find("mpirun.openmpi") is null)
    {
        Console.Error.WriteLine("There is no mpirun.openmpi: apt install openmpi-bin.");
        return 1;
    }
    new Measuring(folder, options, Console.Out).Run().Save(kept);
}
else if (!File.Exists(kept))
{
    Console.Error.WriteLine($"There is no {kept}: run ./build.sh scale without --page.");
    return 1;
}
var page = Path.GetFullPath(options.Output ?? Path.Combine(root, "docs", "scale.md"));
new ScalePage(Measurements.Load(kept)).Write(page);
Console.WriteLine($"Wrote {page}.");
return 0;

static string ThisFile([CallerFilePath] string path = "") => path;
