using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What the pages show of ML.NET.</summary>
[TestClass]
public sealed class MLNetSnippets : Workplace
{
    [TestMethod]
    public void Readme_Program_Runs()
    {
        var testQuestions = new MLContext().Nlft().LoadFromJsonLines("test.jsonl");
        #region readme
        var mlContext = new MLContext(seed: 42);
        IDataView rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");          // Question, Response, Judgment, Answer
        var pipeline = mlContext.Nlft().Trainers.NaturalLanguageFineTune(
            modelFolder: "models/SmolLM2-135M-Instruct", questionColumnName: "Question", responseColumnName: "Response",
            judgmentColumnName: "Judgment", answerColumnName: "Answer", outputColumnName: "GeneratedAnswer", epochs: 10);
        using var model = pipeline.Fit(rows);                                        // progress, loss, salient share, time left
        IDataView predictions = model.Transform(testQuestions);                      // needs Question only
        var metrics = mlContext.Nlft().Evaluate(predictions, answerColumnName: "Answer", generatedColumnName: "GeneratedAnswer");
        mlContext.Nlft().Save(model, "word-problems-adapter");                       // a PEFT adapter folder with nlft.json in it
        #endregion
        Assert.AreEqual(3, metrics.Total);
        Assert.IsTrue(LocalModelDescription.IsIn("word-problems-adapter"));
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
