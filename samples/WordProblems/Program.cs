// A small language model solves word problems but gets one kind wrong: in "5 fewer than twice as many" it adds. This program corrects it with 25 of
// its own wrong answers, each with a judgment in plain words, and compares what the same 25 questions teach:
//   NLFT on the wrong answers and their judgments, SFT on the same answers, SFT on right answers that the model writes to these questions when it
//   tries each of them several times, and SFT on worked gold solutions.
// Arguments: the model folder and the folder with rows.jsonl, gold.jsonl, test-corrected.jsonl and test-others.jsonl; both are optional. --engine
// torch selects TorchSharp instead of the managed engine.
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Monitoring;
using WordProblems;

if (!Communicator.Current.IsFirst) Console.SetOut(TextWriter.Null); // under mpirun only rank 0 prints
const int Epochs = 5;
const double LearningRate = 1e-3;
const int Attempts = 4, Rows = 25;
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
    ModelFolder = modelFolder, Generation = generation, Engine = engine,
    Training = new() { Epochs = Epochs, LearningRate = LearningRate, RecordedRows = [0, 1, 2, 3] }, Monitor = new ConsoleReporter(),
});
using var nlft = nlftTrainer.Fit(rows);
table.Add("NLFT, 25 rows", Measure(nlft, "NLFT"), nlft.Training);

using var same = SupervisedFineTune(rows, "SFT, same responses");
using var right = SupervisedFineTune(RightAnswers(), "SFT, right answers");
using var gold = SupervisedFineTune(mlContext.Nlft().LoadFromJsonLines(Path.Combine(dataFolder, "gold.jsonl")), "SFT, gold solutions");

Console.WriteLine();
table.Write();
ShowThreeAnswers();
SaveAndLoad();
ShowWhereTheFeedbackLanded();
return 0;

TextGenerationTransformer SupervisedFineTune(IDataView data, string name)
{
    var model = mlContext.Nlft().Trainers.SupervisedFineTune(new SupervisedFineTuneTrainer.Options
    {
        ModelFolder = modelFolder, Generation = generation, Engine = engine,
        Training = new() { Epochs = Epochs, LearningRate = LearningRate }, Monitor = new ConsoleReporter(),
    }).Fit(data);
    table.Add(name, Measure(model, name), model.Training);
    return model;
}

// Rejection sampling: the model tries every question several times, the gold answers say which attempts are right, and as many of them are kept as
// there are rows.
IDataView RightAnswers()
{
    var data = mlContext.Nlft().Data;
    using var model = LocalModel.Load(modelFolder, new() { Engine = engine });
    var sampling = new GenerationOptions { MaximumNewTokens = 96, MaximumBatchSize = 100, Temperature = 1, Seed = 1 };
    var judged = data.Judge(data.Generate(model, rows, new() { SamplesPerQuestion = Attempts, Generation = sampling }), new RuleBasedJudge());
    Console.WriteLine($"{judged.Correct} of {judged.Correct + judged.Incorrect} attempts at the {Rows} questions are right.");
    return data.Select(judged.Rows, Math.Min(judged.Correct, Rows), ResponseRatio.AllCorrect);
}

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
