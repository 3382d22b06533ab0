// Measures how training scales with the number of processes, fits a cost model to it, and writes docs/scale.md with the model's predictions.
//   ./build.sh scale             about four minutes; needs Open MPI (apt install openmpi-bin), and root for the network between namespaces
//   ./build.sh scale --quick     the small model only
//   ./build.sh scale --page      measures nothing: writes the page again from the last measurements (artifacts/scale/measured.json)
//   ./build.sh scale --help      all options
// The page says what could not be measured on this machine.
using System.CommandLine;
using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Scale;

var parsed = new ScaleCommand(Run).Parse(args);
var exitCode = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
return parsed.Errors.Count > 0 ? 2 : exitCode;

static int Run(ScaleOptions options)
{
    var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
    var folder = Path.Combine(root, "artifacts", "scale");
    var measurements = Path.Combine(folder, "measured.json");
    if (!options.PageOnly)
    {
        if (Shell.Find("mpirun.openmpi") is null)
        {
            Console.Error.WriteLine("mpirun.openmpi is not installed: apt install openmpi-bin.");
            return 1;
        }
        new Measuring(folder, options, Console.Out).Run().Save(measurements);
    }
    else if (!File.Exists(measurements))
    {
        Console.Error.WriteLine($"{measurements} does not exist: run ./build.sh scale without --page.");
        return 1;
    }
    var page = Path.GetFullPath(options.Output ?? Path.Combine(root, "docs", "scale.md"));
    new ScalePage(Measurements.Load(measurements)).Write(page);
    Console.WriteLine($"Wrote {page}.");
    return 0;
}

static string ThisFile([CallerFilePath] string path = "") => path;
