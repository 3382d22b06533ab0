using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/sft.md shows.</summary>
[TestClass]
public sealed class SftSnippets : Workplace
{
    [TestMethod]
    public void SftPage_WithMLNet_Runs()
    {
        var mlContext = new MLContext(seed: 42);
        #region ml.net
        IDataView chats = mlContext.Nlft().Data.Load("chats.jsonl");
        var trainer = mlContext.Nlft().Trainers.SupervisedFineTune("model", epochs: 1, learningRate: 1e-3);
        using TextGenerationTransformer model = trainer.Fit(chats);
        #endregion
        Assert.HasCount(1, model.Training!.Steps);
    }

    [TestMethod]
    public void SftPage_WithoutMLNet_Runs()
    {
        #region core
        using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
        TrainingRows rows = TrainingFile.Read("chats.jsonl");
        Console.WriteLine($"{rows.Rows.Count} rows read as {rows.Layout}");
        model.FineTune(rows.Examples(), new LikelihoodObjective(), new() { Epochs = 1, LearningRate = 1e-3 });
        #endregion
        Assert.AreEqual("chat rows: messages", rows.Layout);
    }
}
