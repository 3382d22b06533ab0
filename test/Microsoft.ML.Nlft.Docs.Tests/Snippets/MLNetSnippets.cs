using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What the pages show of ML.NET.</summary>
[TestClass]
public sealed class MLNetSnippets : Workplace
{
    [TestMethod]
    public void Readme_Program_PrintsWhatItsCommentsPromise()
    {
        foreach (var folder in (string[])["samples/data", "samples/models/tiny-word-problems"]) Copy(folder, folder);
        var (console, printed) = (Console.Out, new StringWriter());
        Console.SetOut(printed);
        try
        {
            Run();
        }
        finally
        {
            Console.SetOut(console);
        }
        var text = printed.ToString();
        console.Write(text);
        foreach (var promised in (string[])["loss", "salient", "left", "95 % interval", "total             200"]) Assert.Contains(promised, text);
        Assert.IsTrue(LocalModelDescription.IsIn("word-problems-adapter"));
    }

    private static void Run()
    {
        #region readme
        var mlContext = new MLContext(seed: 42);
        IDataView rows = mlContext.Nlft().LoadFromJsonLines("samples/data/rows.jsonl");             // Question, Response, Judgment, Answer
        IDataView unseen = mlContext.Nlft().LoadFromJsonLines("samples/data/test-corrected.jsonl"); // Question, Answer
        var trainer = mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = "samples/models/tiny-word-problems",
            Training = new() { Epochs = 10, LearningRate = 1e-3 },
            Monitor = new ConsoleReporter(),                             // prints progress, loss, salient share, time left
        });
        using var model = trainer.Fit(rows);
        IDataView predictions = model.Transform(unseen);                 // needs Question only; adds GeneratedAnswer
        EvaluationResult metrics = mlContext.Nlft().Evaluate(predictions);
        Console.WriteLine(metrics);                                      // prints the accuracy with its 95 % interval, and the counts
        mlContext.Nlft().Save(model, "word-problems-adapter");           // a PEFT adapter folder with nlft.json in it
        #endregion
        Assert.AreEqual(1, metrics.Accuracy);
        Assert.AreEqual(1, mlContext.Nlft().Evaluate(model.Transform(rows)).Accuracy, "on the rows themselves");
    }

    [TestMethod]
    public void GettingStarted_Validation_Runs()
    {
        var mlContext = new MLContext(seed: 42);
        var rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
        var samples = Path.Combine(Pages.Root, "samples", "data", "rows.jsonl");
        File.WriteAllLines("held-out.jsonl", File.ReadLines(samples).Skip(4).Take(3));
        #region validation
        var options = new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = "model",
            ValidationSet = mlContext.Nlft().LoadFromJsonLines("held-out.jsonl"),
            Training = new()
            {
                Epochs = 20, LearningRate = 1e-3,
                Validation = new() { GeneratedRows = 50, Measure = ValidationMeasure.Accuracy, Patience = 2 },
            },
        };
        using var model = mlContext.Nlft().Trainers.NaturalLanguageFineTune(options).Fit(rows);
        Console.WriteLine(model.Training!.DescribeValidation());
        #endregion
        Assert.AreEqual(3, model.Card.Validation!.Answered);
    }

    [TestMethod]
    public void OptionsPage_AllOptions_Run()
    {
        var mlContext = new MLContext();
        var rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
        #region options
        var options = new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = "model",
            Training = new() { Epochs = 2, LearningRate = 1e-3, MicroBatchSize = 1, Refresh = ContextRefresh.EveryEpoch },
            Lora = new() { Rank = 8, TargetModules = ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"] },
            Objective = new() { ClusterRule = ClusterRule.Similar },
            Prompts = new() { MaximumTokens = 1024 },
            Generation = new() { MaximumNewTokens = 96, StopStrings = ["\n\n"] },
            Seed = 1,
        };
        using var model = mlContext.Nlft().Trainers.NaturalLanguageFineTune(options).Fit(rows);
        #endregion
        Assert.HasCount(2, model.Training!.Steps);
    }
}
