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
}
