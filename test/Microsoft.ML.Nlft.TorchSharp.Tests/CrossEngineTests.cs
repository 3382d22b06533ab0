using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A run of the whole method on both engines.</summary>
[TestClass]
public class CrossEngineTests
{
    [TestMethod]
    [DataRow(0)]
    [DataRow(0.2)]
    public void TwentyNaturalLanguageSteps_GiveTheLossesAndTheAdapterOfTheManagedEngine(double dropout)
    {
        using var folder = TinyModels.Create();
        var (managed, expected) = Train(folder, new ManagedEngine(2), dropout: dropout);
        var (torch, actual) = Train(folder, Models.Engine(), dropout: dropout);
        Assert.HasCount(20, expected.Steps);
        foreach (var (wanted, found) in expected.Steps.Zip(actual.Steps))
        {
            Assert.AreEqual(wanted.Loss, found.Loss, 1e-3 * Math.Abs(wanted.Loss), $"loss of step {wanted.Step}");
            Assert.AreEqual(wanted.SalientShare, found.SalientShare, $"salient share of step {wanted.Step}");
        }
        Assert.AreNotEqual(expected.Steps[0].Loss, expected.Steps[^1].Loss, 0.1, "The run learns something.");
        EngineSteps.AreClose(managed, torch, 1e-2);
    }

    /// <summary>The gradients of an adapter of experts and router are those of the managed engine, with recomputed activations to the bit.</summary>
    [TestMethod]
    public void Backward_AdapterOfExperts_GivesTheGradientsOfTheManagedEngine()
    {
        using var folder = TinyModels.Create(3, TinyModels.Mixture);
        var lora = EngineSteps.Lora with { TargetModules = ["q_proj", "gate", "gate_proj", "up_proj", "down_proj"] };
        var managed = Gradients(new ManagedEngine(2));
        var torch = Gradients(Models.Engine());
        EngineSteps.AreClose(managed, torch, 1e-4);
        Assert.HasCount(2 * (2 + 3), torch);
        foreach (var (expected, actual) in torch.Zip(Gradients(Models.Engine(recompute: true))))
            CollectionAssert.AreEqual(expected.Values, actual.Values, expected.Name);

        IReadOnlyList<NamedTensor> Gradients(IModelEngine engine)
        {
            using var model = Models.Load(folder, engine: engine, lora: lora);
            var random = new Random(6);
            model.Import(ModelState.Weights, [.. model.Export(ModelState.Weights).OrderBy(factor => factor.Name, StringComparer.Ordinal)
                .Select(factor => factor with { Values = [.. factor.Values.Select(_ => random.NextSingle() - 0.5f)] })]);
            EngineSteps.Backward(model, EngineSteps.Batch(30, 4, 17));
            return model.Export(ModelState.Gradients);
        }
    }

    /// <summary>On the same engine the resumed run ends where the unbroken one does, to the bit.</summary>
    [TestMethod]
    public void Run_ResumedOnTheTorchSharpEngine_EndsAsTheUnbrokenRunToTheBit()
    {
        using var folder = TinyModels.Create();
        var place = Path.Combine(folder.Path, "checkpoints");
        var (expected, _) = Train(folder, Models.Engine(), new() { CheckpointFolder = place, CheckpointSteps = 7, CheckpointsKept = 9 },
            dropout: 0.2);
        var (actual, result) = Train(folder, Models.Engine(), new() { ResumeFrom = Path.Combine(place, "step-00000007.safetensors") }, dropout: 0.2);
        Assert.AreEqual(7, result.ResumedSteps);
        foreach (var (wanted, found) in expected.Zip(actual)) CollectionAssert.AreEqual(wanted.Values, found.Values, wanted.Name);
    }

    /// <summary>
    /// Begun on one engine and ended on the other: only when asked, and then as near to the unbroken run as the engines are to one another.
    /// </summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Run_CheckpointOfTheOtherEngine_IsRefusedUnlessAsked(bool beginsManaged)
    {
        using var folder = TinyModels.Create();
        IModelEngine managed = new ManagedEngine(1), other = Models.Engine();
        var (first, second) = beginsManaged ? (managed, other) : (other, managed);
        var place = Path.Combine(folder.Path, "checkpoints");
        var (expected, _) = Train(folder, first, new() { CheckpointFolder = place, CheckpointSteps = 7, CheckpointsKept = 9 });
        var path = Path.Combine(place, "step-00000007.safetensors");
        var torch = Models.Engine().Arithmetic;
        var (there, here) = beginsManaged ? ("managed", torch) : (torch, "managed");
        Assert.AreEqual($"checkpoint {path}: found another run (engine \"{there}\" there, \"{here}\" here); expected the same base model, engine, "
            + "options and rows. Give what it was written with, " +
            "or start anew without ResumeFrom. ResumeOnAnotherEngine resumes all the same, but the result differs from the uninterrupted run's.",
                Assert.ThrowsExactly<NlftException>(() => Train(folder, second, new() { ResumeFrom = path })).Message);
        var (actual, result) = Train(folder, second, new() { ResumeFrom = path, ResumeOnAnotherEngine = true });
        Assert.AreEqual(7, result.ResumedSteps);
        EngineSteps.AreClose(expected, actual, 1e-2);
    }

    private static (IReadOnlyList<NamedTensor> Weights, FineTuneResult Result) Train(ModelFolder folder, IModelEngine engine,
        FineTuneOptions? checkpoints = null, double dropout = 0)
    {
        using var model = Models.Load(folder, engine: engine, lora: EngineSteps.Lora with { Dropout = dropout });
        var random = new Random(4);
        EncodedExample[] rows = [.. Enumerable.Range(0, 20).Select(i => new EncodedExample(
            i % 3 == 2 ? Polarity.Incorrect : Polarity.Correct, Tokens(5 + i % 7), Tokens(4 + i % 5), Tokens(9 + i % 4),
                Tokens(8 + i % 3), $"row {i}"))];
        var run = new TrainingRun(model, rows, new NaturalLanguageObjective(new()),
            (checkpoints ?? new()) with { Epochs = 4, BatchSize = 4, LearningRate = 5e-3, WarmupRatio = 0 }) { Engine = engine.Arithmetic };
        var result = run.Run();
        return (model.Export(ModelState.Weights), result);

        int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(TinyModels.Vocabulary))];
    }
}
