// Real input without ML.NET: questions of GSM8K, correct and incorrect solutions of a 6B model, rule-based judgments, and one epoch of NLFT with the
// small sample model. It cannot learn GSM8K from 16 rows; it shows the complete workflow.
// Arguments: the folder with example_model_solutions.jsonl (default: fixtures/gsm8k in the folder that NLFT_FIXTURES names), and a model folder
// (default: the model of the samples).
using System.Runtime.CompilerServices;
using Gsm8k;
using Microsoft.ML.Nlft;

var folder = args.Length > 0 ? args[0]
    : Environment.GetEnvironmentVariable("NLFT_FIXTURES") is { Length: > 0 } fixtures ? Path.Combine(fixtures, "fixtures", "gsm8k") : null;
if (folder is null)
{
    Console.Error.WriteLine("No data: name the folder that holds GSM8K's example_model_solutions.jsonl, or set NLFT_FIXTURES.");
    return 2;
}

var modelFolder = args.Length > 1 ? args[1] : Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "models", "tiny-word-problems");
try
{
    Gsm8kRun.OneEpoch(Path.Combine(folder, "example_model_solutions.jsonl"), modelFolder, Console.Out);
    return 0;
}
catch (NlftException e)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

static string ThisFile([CallerFilePath] string path = "") => path;
