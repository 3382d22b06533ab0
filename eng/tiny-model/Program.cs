// Trains the tiny base model from scratch, measures it and generates the rows of the samples.
//   dotnet run --project eng/tiny-model -c Release                    everything: pretrain, measure, model card, sample rows
//   dotnet run --project eng/tiny-model -c Release -- verify          measures the existing model and writes its card
//   dotnet run --project eng/tiny-model -c Release -- data            generates the sample rows with the existing model
//   dotnet run --project eng/tiny-model -c Release -- show            prints a problem of each family
// Options: --steps N, --output FOLDER, --problems N (measured per family).
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.TinyModel;
using Microsoft.ML.Nlft.TinyModel.Pretraining;
using Microsoft.ML.Nlft.TinyModel.Problems;

const int MeasureSeed = 7, DataSeed = 11;
string[] verbs = ["all", "verify", "data", "show"];
var verb = args.Length > 0 && !args[0].StartsWith('-') ? args[0] : "all";
var options = Options.Parse(args.AsSpan(verb == "all" && (args.Length == 0 || args[0] != "all") ? 0 : 1));
if (options is null || !verbs.Contains(verb))
{
    Console.Error.WriteLine($"Unknown arguments: {string.Join(' ', args)}.");
    Console.Error.WriteLine($"Expected one of {string.Join(", ", verbs)}, then --steps N, --output FOLDER or --problems N.");
    return 2;
}

IReadOnlyList<ProblemFamily> families = [.. MasteredFamilies.All, .. MisconceptionFamilies.All];
var samples = Path.Combine(Repository.Root(), "samples");
var folder = options.Output ?? Path.Combine(samples, "models", "tiny-word-problems");
var recipe = options.Steps is { } steps ? new PretrainingRecipe { Steps = steps } : new PretrainingRecipe();
var seen = new Lazy<HashSet<string>>(() => [.. TrainingMix.Rows(recipe).Select(row => row.Example.Question)]);
switch (verb)
{
    case "all":
        new Pretrainer(recipe, Console.Out).Run(folder);
        Verify();
        WriteData();
        break;
    case "verify":
        Verify();
        break;
    case "data":
        WriteData();
        break;
    default:
        Show();
        break;
}

return 0;

void Verify()
{
    using var model = LocalModel.Load(folder);
    var results = new List<FamilyResult>();
    Console.WriteLine($"{"family",-18} {"right",7} {"answer shown",13} {"judgment shown: errs",21} {"as named",9}");
    foreach (var r in Verification.Measure(model, families, options.Problems ?? 200, MeasureSeed, seen.Value))
    {
        results.Add(r);
        var percent = 100.0 / r.Count;
        Console.WriteLine(FormattableString.Invariant(
            $"{r.Family,-18} {percent * r.BaseRight,6:0.0}% {percent * r.StandardRight,12:0.0}% ")
            + FormattableString.Invariant($"{percent * r.JudgeWrong,20:0.0}% {percent * r.JudgeAsNamed,8:0.0}%"));
    }

    if (PretrainingReport.Load(folder) is not { } report) Console.WriteLine($"No pretraining.json in {folder}: the card is not written.");
    else File.WriteAllText(Path.Combine(folder, "README.md"), ModelCard.Write(recipe, report, results));
}

void WriteData()
{
    using var model = LocalModel.Load(folder);
    SampleData.Write(model, Path.Combine(samples, "data"), DataSeed, seen.Value, Console.Out);
}

void Show()
{
    var generator = new ProblemGenerator(MeasureSeed);
    foreach (var family in families)
    {
        var problem = generator.Next(family);
        Console.WriteLine($"[{family}] {problem.Question}\n{problem.Solve().Text}");
        foreach (var wrong in problem.Misunderstandings())
        {
            Console.WriteLine($"  misunderstood: {wrong.Answer}. {JudgmentWriter.Write(wrong, new Random(MeasureSeed))}");
        }
    }
}
