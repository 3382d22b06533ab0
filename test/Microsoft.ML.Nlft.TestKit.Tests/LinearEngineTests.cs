using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.TestKit.Tests;

/// <summary>A third engine does everything that a program asks of a model: train, answer, save, load.</summary>
[TestClass]
public sealed class LinearEngineTests
{
    private static readonly LocalModelOptions s_options = new()
    {
        Engine = new LinearEngine(),
        Trainable = TrainableWeights.Lora,
        Lora = new() { Rank = 4, Alpha = 64, Dropout = 0, TargetModules = ["o_proj"], Layers = [0] },
    };

    [TestMethod]
    public void FineTune_ThirdEngine_LearnsAndAnswersTheSameAfterSaveAndLoad()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path, s_options);
        var rows = Enumerable.Range(0, 6).Select(i => new TrainingExample { Question = $"How many is {i}?", Response = "ababababab", Answer = "ab" })
            .ToArray();
        var result = model.FineTune(rows, new LikelihoodObjective(), new() { Epochs = 20, BatchSize = 3, LearningRate = 0.5 });
        Assert.HasCount(40, result.Steps);
        Assert.IsLessThan(0.8 * result.Steps[0].Loss, result.Steps[^1].Loss, "The loss falls.");

        var saved = Path.Combine(folder.Path, "saved");
        model.Save(saved);
        using var loaded = LocalModel.Load(saved, new() { Engine = new LinearEngine() });
        string[] questions = ["How many is 7?"];
        var answer = model.Answer(questions, new() { MaximumNewTokens = 8 })[0].Text;
        StringAssert.Contains(answer, "abab");
        Assert.AreEqual(answer, loaded.Answer(questions, new() { MaximumNewTokens = 8 })[0].Text);
    }

    [TestMethod]
    public void FineTune_ThirdEngineResumed_EndsAsTheUnbrokenRun()
    {
        using var folder = new ByteModelFolder();
        var checkpoints = Path.Combine(folder.Path, "checkpoints");
        var expected = Train(new() { CheckpointFolder = checkpoints, CheckpointSteps = 2, CheckpointsKept = 9 });
        var actual = Train(new() { ResumeFrom = Path.Combine(checkpoints, "step-00000002.safetensors") });
        foreach (var (wanted, found) in expected.Zip(actual)) CollectionAssert.AreEqual(wanted, found);

        float[][] Train(FineTuneOptions options)
        {
            using var model = LocalModel.Load(folder.Path, s_options);
            TrainingExample[] rows = [.. Enumerable.Range(0, 6).Select(i => new TrainingExample
            {
                Question = $"How many is {i}?", Response = "abcabcabc", Answer = "abc", Judgment = i % 3 == 0 ? "It is b." : null,
            })];
            model.FineTune(rows, new NaturalLanguageObjective(), options with { Epochs = 3, BatchSize = 3, LearningRate = 0.01 });
            return [.. model.ExportAdapter().Factors.Select(factor => factor.Values)];
        }
    }
}
