using Microsoft.ML;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Monitoring;
#if (torchsharp)
using Microsoft.ML.Nlft.TorchSharp;
#endif

// Fine-tunes a language model on rows.csv and asks it a question:
//     dotnet run -c Release -- MODEL [QUESTION]
// MODEL is a model folder as Hugging Face serves it, or a GGUF file.
if (args.Length == 0)
{
    Console.Error.WriteLine("Name a model: dotnet run -c Release -- MODEL [QUESTION]");
    return 2;
}
var question = args.Length > 1 ? args[1] : "Tom has 3 boxes with 12 pens each. How many pens does Tom have?";
try
{
    var mlContext = new MLContext(seed: 42);

    // Question, Response (what the model wrote), Judgment (why that is wrong; empty when it is right), Answer (the right answer).
    IDataView rows = mlContext.Nlft().Data.Load(Path.Combine(AppContext.BaseDirectory, "rows.csv"));

    var trainer = mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
    {
        ModelFolder = args[0],
        Training = new() { Epochs = 4, LearningRate = 1e-3 },
        Generation = new() { MaximumNewTokens = 128 },
        Monitor = new ConsoleReporter(),
#if (torchsharp)
        Engine = new TorchSharpEngine(),
#endif
    });
    using TextGenerationTransformer model = trainer.Fit(rows);

    // On the rows themselves: hold some back to see what the model has learned.
    Console.WriteLine(mlContext.Nlft().Evaluate(model.Transform(rows)));

    using var engine = mlContext.Model.CreatePredictionEngine<Input, Output>(model);
    Console.WriteLine($"Question: {question}");
    Console.WriteLine($"Answer:   {engine.Predict(new Input { Question = question }).GeneratedAnswer}");

    mlContext.Nlft().Save(model, "adapter");
    Console.WriteLine("The adapter is in the folder adapter.");
    return 0;
}
catch (NlftException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}

internal sealed class Input
{
    public string Question { get; set; } = "";
}

internal sealed class Output
{
    public string GeneratedAnswer { get; set; } = "";
}
