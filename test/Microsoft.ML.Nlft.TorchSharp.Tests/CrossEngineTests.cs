using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A run of the whole method on both engines.</summary>
[TestClass]
public class CrossEngineTests
{
    [TestMethod]
    public void TwentyNaturalLanguageSteps_GiveTheLossesAndTheAdapterOfTheManagedEngine()
    {
        using var folder = TinyModels.Create();
        var (managed, expected) = Train(folder, new ManagedEngine(2));
        var (torch, actual) = Train(folder, Models.Engine());
        Assert.HasCount(20, expected.Steps);
        foreach (var (wanted, found) in expected.Steps.Zip(actual.Steps))
        {
            Assert.AreEqual(wanted.Loss, found.Loss, 1e-3 * Math.Abs(wanted.Loss), $"loss of step {wanted.Step}");
            Assert.AreEqual(wanted.SalientShare, found.SalientShare, $"salient share of step {wanted.Step}");
        }
        Assert.AreNotEqual(expected.Steps[0].Loss, expected.Steps[^1].Loss, 0.1, "The run learns something.");
        EngineSteps.AreClose(managed, torch, 1e-2);
    }

    private static (IReadOnlyList<NamedTensor> Weights, FineTuneResult Result) Train(ModelFolder folder, IModelEngine engine)
    {
        // dropout masks come from each engine's own generator, so there is none here
        using var model = Models.Load(folder, engine: engine, lora: EngineSteps.Lora with { Dropout = 0 });
        var random = new Random(4);
        EncodedExample[] rows = [.. Enumerable.Range(0, 20).Select(i => new EncodedExample(
            i % 3 == 2 ? Polarity.Incorrect : Polarity.Correct, Tokens(5 + i % 7), Tokens(4 + i % 5), Tokens(9 + i % 4), Tokens(8 + i % 3), $"row {i}"))];
        var tuner = new FineTuner(model, new NaturalLanguageObjective(new()), new FineTuneOptions { Epochs = 4, BatchSize = 4, LearningRate = 5e-3, WarmupRatio = 0 });
        var result = tuner.Run(rows);
        return (model.Export(ModelState.Weights), result);

        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(TinyModels.Vocabulary))];
    }
}
