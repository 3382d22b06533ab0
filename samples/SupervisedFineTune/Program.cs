// Supervised fine-tuning on chats as other tools have them: one JSON object a line with "messages". The small sample model solves word problems but
// gets one kind wrong; it learns that kind from 25 conversations with the right solution.
// Arguments: the model folder and the file with the chats (.jsonl, .json, .csv or .tsv, in any layout of docs/sft.md); both are optional.
using System.Runtime.CompilerServices;
using Microsoft.ML;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Monitoring;

var samples = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..");
var modelFolder = Path.GetFullPath(args.Length > 0 ? args[0] : Path.Combine(samples, "models", "tiny-word-problems"));
var chats = Path.GetFullPath(args.Length > 1 ? args[1] : Path.Combine(samples, "data", "chats.jsonl"));
var generation = new GenerationOptions { MaximumNewTokens = 200, MaximumBatchSize = 200 };

var mlContext = new MLContext(seed: 42);
mlContext.Log += (_, e) =>
{
    if (e.Message.Contains("rows read as", StringComparison.Ordinal)) Console.WriteLine(e.Message); // which layout the rows have
};
IDataView problems = mlContext.Nlft().LoadFromJsonLines(Path.Combine(samples, "data", "test-corrected.jsonl"));
using var baseModel = mlContext.Nlft().LoadBaseModel(modelFolder, generation: generation);
Console.WriteLine($"Before: {Accuracy(baseModel)}");

IDataView rows = mlContext.Nlft().Data.Load(chats);
var trainer = mlContext.Nlft().Trainers.SupervisedFineTune(new SupervisedFineTuneTrainer.Options
{
    ModelFolder = modelFolder, Generation = generation, Training = new() { Epochs = 5, LearningRate = 1e-3 }, Monitor = new ConsoleReporter(),
});
using var model = trainer.Fit(rows);
Console.WriteLine($"After:  {Accuracy(model)}");

string Accuracy(TextGenerationTransformer answering)
{
    var metrics = mlContext.Nlft().Evaluate(answering.Transform(problems));
    return $"{metrics.Correct} of {metrics.Total} unseen problems right";
}

static string ThisFile([CallerFilePath] string path = "") => path;
