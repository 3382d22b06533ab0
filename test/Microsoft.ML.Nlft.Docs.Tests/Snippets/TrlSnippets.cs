using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/from-trl.md shows.</summary>
[TestClass]
public sealed class TrlSnippets : Workplace
{
    [TestMethod]
    public void TrlPage_TheSameRun_Runs()
    {
        var mlContext = new MLContext(seed: 42);
        #region the same run
        var trainer = mlContext.Nlft().Trainers.SupervisedFineTune(new SupervisedFineTuneTrainer.Options
        {
            ModelFolder = "model",
            Training = new()
            {
                Epochs = 3, BatchSize = 8, LearningRate = 2e-5, Schedule = LearningRateSchedule.Linear, WarmupRatio = 0,
                Reduction = LossReduction.TokenMean,
            },
            Lora = new() { Rank = 8, Alpha = 8, Dropout = 0, TargetModules = ["q_proj", "v_proj"] },
            Prompts = new() { MaximumTokens = 1024 },
        });
        using TextGenerationTransformer model = trainer.Fit(mlContext.Nlft().Data.Load("chats.jsonl"));
        #endregion
        Assert.HasCount(3, model.Training!.Steps);
    }

    [TestMethod]
    public void TrlPage_Options_HaveOurDefaults()
    {
        var (training, lora) = (new FineTuneOptions(), new LoraConfiguration());
        var page = File.ReadAllLines(Path.Combine(Pages.Root, "docs", "from-trl.md"));
        (string Property, FormattableString Default)[] options =
        [
            ("Lora.Rank", $"{lora.Rank}, {lora.Alpha}, {lora.Dropout}"),
            ("Lora.TargetModules", $"`{string.Join("`, `", lora.TargetModules)}`"),
            ("Epochs", $"{training.Epochs}"),
            ("BatchSize", $"{training.BatchSize}, all at a time"),
            ("LearningRate", $"{training.LearningRate:0e-0}"),
            ("Schedule", $"{training.Schedule.ToString().ToLowerInvariant()}"),
            ("WarmupRatio", $"{training.WarmupRatio}"),
            ("Optimizer.MaximumGradientNorm", $"{training.Optimizer.MaximumGradientNorm}"),
            ("Optimizer.WeightDecay", $"{training.Optimizer.WeightDecay}"),
            ("Prompts.MaximumTokens", $"{new PromptOptions().MaximumTokens}"),
            ("Validation.Patience", $"{training.Validation.Patience}: no early stopping"),
        ];
        foreach (var (property, value) in options)
        {
            var row = page.Single(line => line.Split(" | ") is [_, _, var here, _] && here.StartsWith($"`{property}`", StringComparison.Ordinal));
            Assert.AreEqual($"{value.ToString(CultureInfo.InvariantCulture)} |", row.Split(" | ")[3], property);
        }
    }
}
