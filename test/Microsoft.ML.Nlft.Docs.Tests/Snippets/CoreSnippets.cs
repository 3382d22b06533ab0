using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What the pages show of the library without ML.NET.</summary>
[TestClass]
public sealed class CoreSnippets : Workplace
{
    [TestMethod]
    public async Task GettingStarted_WithoutMLNet_Runs()
    {
        {
            #region train
            var rows = DataFile.ReadExamples("rows.jsonl");
            using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
            model.FineTune(rows, new NaturalLanguageObjective(), new() { Epochs = 4, LearningRate = 1e-3 });
            Console.WriteLine(model.Answer(["Gus has 17 marbles. Lena has 5 fewer than twice as many. How many marbles does Lena have?"])[0].Text);
            model.Save("tuned");
            #endregion
        }
        #region chat
        using IChatClient client = NlftModel.LoadChatClient("tuned");
        Console.WriteLine(await client.GetResponseAsync("Tom has 3 boxes with 12 pens each. How many pens does Tom have?"));
        #endregion
        Assert.IsTrue(LocalModelDescription.Load("tuned").HasAdapter);
    }

    [TestMethod]
    public void ReliabilityPage_Checkpoints_Resume()
    {
        var rows = DataFile.ReadExamples("rows.jsonl");
        using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
        #region checkpoints
        var result = model.FineTune(rows, new NaturalLanguageObjective(), new()
        {
            Epochs = 4,
            CheckpointFolder = "checkpoints",
            CheckpointMinutes = 5,
            ResumeFrom = "checkpoints",                                           // while it is empty, a run starts from step 0
        });
        Console.WriteLine($"{result.ResumedSteps} steps were done before, {result.SkippedSteps} skipped; the newest checkpoint is "
            + $"{result.LastCheckpoint}");
        #endregion
        Assert.AreEqual(Path.Combine("checkpoints", "step-00000004.safetensors"), result.LastCheckpoint);
    }

    [TestMethod]
    public void ModelsPage_TemplateVariables_Apply()
    {
        #region template variables
        var prompts = new PromptOptions { TemplateVariables = new Dictionary<string, object?> { ["enable_thinking"] = false } };
        using var model = LocalModel.Load("model", new() { Prompts = prompts });
        #endregion
        Assert.HasCount(1, model.Answer(["2+3?"], new() { MaximumNewTokens = 4 }));
    }

    [TestMethod]
    public void AdaptersPage_Adapters_Load()
    {
        var rows = DataFile.ReadExamples("rows.jsonl");
        var mlContext = new MLContext();
        {
            #region train and load
            using (var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora }))
            {
                model.FineTune(rows, new NaturalLanguageObjective(), new() { Epochs = 2, LearningRate = 1e-3 });
                model.Save("tuned");
            }
            using var again = mlContext.Nlft().Load("tuned");
            #endregion
            Assert.IsNotNull(again.Adapter);
        }
        {
            #region for the hub
            var adapter = LoraAdapter.Load("tuned");
            adapter.Save("for-the-hub", baseModel: "HuggingFaceTB/SmolLM2-135M-Instruct");
            #endregion
            Assert.AreEqual("HuggingFaceTB/SmolLM2-135M-Instruct", LoraAdapter.Load("for-the-hub").BaseModel);
        }
        Directory.Move("for-the-hub", "python-adapter"); // no nlft.json in it, and a base model that is no folder here
        {
            #region from Python
            using var model = LocalModel.Load("model", new() { Adapter = LoraAdapter.Load("python-adapter"), Trainable = TrainableWeights.Lora });
            model.FineTune(rows, new NaturalLanguageObjective(), new() { Epochs = 1, LearningRate = 1e-3 });
            model.Save("further");                                                // this folder has an nlft.json
            #endregion
            Assert.IsTrue(LocalModelDescription.IsIn("further"));
        }
        {
            #region merge
            using var folder = ModelFolder.Open("model");
            LoraAdapter.Load("tuned").MergeInto(folder, "merged-model");
            #endregion
        }
        using var merged = LocalModel.Load("merged-model");
        using var tuned = LocalModel.Load("tuned");
        Assert.AreEqual(tuned.Answer(["2+3?"], new() { MaximumNewTokens = 8 })[0].Text,
            merged.Answer(["2+3?"], new() { MaximumNewTokens = 8 })[0].Text);
    }
}
