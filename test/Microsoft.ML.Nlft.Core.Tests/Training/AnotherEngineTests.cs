using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A run resumes on the engine that began it, or on another one when told to.</summary>
[TestClass]
public sealed class AnotherEngineTests
{
    private readonly ByteModelFolder _folder = new();

    private string Place => Path.Combine(_folder.Path, "checkpoints");

    private FineTuneOptions Options => new()
    {
        Epochs = 2,
        BatchSize = 1,
        LearningRate = 5e-3,
        CheckpointFolder = Place,
        CheckpointSteps = 2,
        ResumeFrom = Place,
    };

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void FineTune_CheckpointOfInt8Weights_IsRefusedUnlessAsked()
    {
        Assert.AreEqual(2, Stopped(int8: true, after: 2).Steps.Count);
        var path = Path.Combine(Place, Checkpoint.FileName(2));
        Assert.AreEqual($"checkpoint {path}: found another run (engine \"managed, int8 weights\" there, \"managed\" here); expected the same base "
            + "model, engine, options and rows. Give what it was written with, " +
            "or start anew without ResumeFrom. ResumeOnAnotherEngine resumes all the same, but the result differs from the uninterrupted run's.",
                Assert.ThrowsExactly<NlftException>(() => Run(int8: false, Options)).Message);
        var result = Run(int8: false, Options with { ResumeOnAnotherEngine = true });
        Assert.AreEqual(2, result.ResumedSteps);
        Assert.HasCount(4, result.Steps);
        Assert.AreEqual("managed",
            Checkpoint.Load(result.LastCheckpoint!).Run.Engine, "the checkpoints after that are those of the engine that wrote them");
        Assert.AreEqual(4, Run(int8: false, Options).ResumedSteps);
    }

    /// <summary>Who hands a network to <see cref="TrainingRun"/> need not say which engine it is on.</summary>
    [TestMethod]
    public void DifferencesFrom_EngineUnnamed_IsNoDifference()
    {
        RunIdentity Of(string? engine) => new("base", engine, new Dictionary<string, string>(), []);
        Assert.IsEmpty(Of(null).DifferencesFrom(Of("managed"), anyEngine: false));
        Assert.IsEmpty(Of("managed").DifferencesFrom(Of(null), anyEngine: false));
        Assert.ContainsSingle(Of("managed").DifferencesFrom(Of("torchsharp on cpu, F32"), anyEngine: false));
    }

    private FineTuneResult Stopped(bool int8, int after)
    {
        using var source = new CancellationTokenSource();
        return Run(int8, Options with { ReturnPartialOnCancel = true }, new Listener(step => { if (step.Step == after) source.Cancel(); }),
            source.Token);
    }

    private FineTuneResult Run(bool int8, FineTuneOptions options, IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        using var model = LocalModel.Load(_folder.Path, new()
        {
            Engine = new ManagedEngine(new ManagedEngineOptions { Threads = 1, Int8Weights = int8 }),
            Trainable = TrainableWeights.Lora,
            Lora = new() { Rank = 2 },
        });
        return model.FineTune([new() { Question = "1 + 1?", Response = "2", Answer = "2" },
            new() { Question = "1 + 2?", Response = "3", Answer = "3" }], new LikelihoodObjective(), options, progress, cancellation);
    }
}
