// A small language model solves word problems but gets one kind wrong: in "5 fewer than twice as many" it adds. This program corrects it with 25 of
// its own wrong answers, each with a judgment in plain words, and compares three models:
//   the base model, the model fine-tuned by NLFT on the 25 rows, and the model fine-tuned by SFT on the same responses.
// Arguments: the model folder and the folder with rows.jsonl, test-corrected.jsonl and test-others.jsonl; both are optional. --engine torch selects
// TorchSharp instead of the managed engine.
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Monitoring;
using WordProblems;

if (!Communicator.Current.IsFirst) Console.SetOut(TextWriter.Null); // under mpirun only rank 0 prints
const int Epochs = 5;
const double LearningRate = 1e-3;
var engineArgument = Array.IndexOf(args, "--engine");
var engineName = engineArgument < 0 ? "managed" : args.ElementAtOrDefault(engineArgument + 1) ?? "";
if (engineArgument >= 0) args = [.. args[..engineArgument], .. args.Skip(engineArgument + 2)];
var samples = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..");
var modelFolder = Path.GetFullPath(args.Length > 0 ? args[0] : Path.Combine(samples, "models", "tiny-word-problems"));
var dataFolder = Path.GetFullPath(args.Length > 1 ? args[1] : Path.Combine(samples, "data"));
var generation = new GenerationOptions { MaximumNewTokens = 200, MaximumBatchSize = 200 };

Microsoft.ML.Nlft.Engines.IModelEngine? engine;
try
{
    engine = Engines.Named(engineName);
}
catch (NlftException e)
{
    Console.Error.WriteLine(e.Message);
    return 2;
}

var mlContext = new MLContext(seed: 42);
IDataView rows = mlContext.Nlft().LoadFromJsonLines(Path.Combine(dataFolder, "rows.jsonl"));
IDataView corrected = mlContext.Nlft().LoadFromJsonLines(Path.Combine(dataFolder, "test-corrected.jsonl"));
IDataView others = mlContext.Nlft().LoadFromJsonLines(Path.Combine(dataFolder, "test-others.jsonl"));
var table = new ComparisonTable(Console.Out);

Console.WriteLine($"Base model: {modelFolder}");
using var baseModel = mlContext.Nlft().LoadBaseModel(modelFolder, generation: generation, engine: engine);
table.Add("base model", Measure(baseModel, "base model"), null);

var nlftTrainer = mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
{
    ModelFolder = modelFolder, Epochs = Epochs, LearningRate = LearningRate, Generation = generation,
    RecordedRows = [0, 1, 2, 3], Progress = new ConsoleReporter(), Engine = engine,
});
using var nlft = nlftTrainer.Fit(rows);
table.Add("NLFT, 25 rows", Measure(nlft, "NLFT"), nlft.Training);

var sftTrainer = mlContext.Nlft().Trainers.SupervisedFineTune(new SupervisedFineTuneTrainer.Options
{
    ModelFolder = modelFolder, Epochs = Epochs, LearningRate = LearningRate, Generation = generation,
    Progress = new ConsoleReporter(), Engine = engine,
});
using var sft = sftTrainer.Fit(rows);
table.Add("SFT, same rows", Measure(sft, "SFT"), sft.Training);

Console.WriteLine();
table.Write();
ShowThreeAnswers();
SaveAndLoad();
ShowWhereTheFeedbackLanded();
return 0;

Measurement Measure(TextGenerationTransformer model, string name)
{
    Console.WriteLine($"Measuring {name} on 2 x 200 unseen problems ...");
    return new Measurement(mlContext.Nlft().Evaluate(model.Transform(corrected)), mlContext.Nlft().Evaluate(model.Transform(others)));
}

void ShowThreeAnswers()
{
    var three = mlContext.Data.LoadFromEnumerable(mlContext.Data.CreateEnumerable<Problem>(corrected, reuseRowObject: false).Take(3).ToList());
    Console.WriteLine("\nThree answers before and after:");
    foreach (var (before, after) in Answers(baseModel, three).Zip(Answers(nlft, three)))
    {
        Console.WriteLine($"\n  Question  {before.Question}  (right answer: {before.Answer})");
        Console.WriteLine($"  before    {before.GeneratedAnswer.ReplaceLineEndings(" | ")}");
        Console.WriteLine($"  after     {after.GeneratedAnswer.ReplaceLineEndings(" | ")}");
    }
}

void SaveAndLoad()
{
    var folder = Path.Combine(Path.GetTempPath(), "nlft-word-problems");
    mlContext.Nlft().Save(nlft, folder);
    using var loaded = new MLContext().Nlft().Load(folder, engine: engine);
    var one = mlContext.Data.LoadFromEnumerable(mlContext.Data.CreateEnumerable<Problem>(corrected, reuseRowObject: false).Take(1).ToList());
    var (expected, answer) = (Answers(nlft, one).Single(), Answers(loaded, one).Single());
    Console.WriteLine($"\nSaved to {folder}, loaded again, asked once more:");
    Console.WriteLine($"  {answer.GeneratedAnswer.ReplaceLineEndings(" | ")}");
    var same = answer.GeneratedAnswer == expected.GeneratedAnswer;
    Console.WriteLine(same ? "  The same answer as before saving." : "  ANOTHER answer than before saving.");
}

void ShowWhereTheFeedbackLanded()
{
    var page = Path.Combine(Path.GetTempPath(), "nlft-word-problems", "map.html");
    Communicator.Current.OnFirst("the map", () => nlft.TrainingMap!.Save(page));
    Console.WriteLine($"\nWhere the judgments landed in four rows, before training and after every epoch: open {page}");
}

List<AnsweredProblem> Answers(TextGenerationTransformer model, IDataView problems) =>
    [.. mlContext.Data.CreateEnumerable<AnsweredProblem>(model.Transform(problems), reuseRowObject: false)];

static string ThisFile([CallerFilePath] string path = "") => path;
