using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.Tests.Models;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A run that is broken off and goes on ends where the unbroken one does, to the bit.</summary>
[TestClass]
public sealed class CheckpointTests
{
    private static readonly LoraConfiguration Lora = new() { Rank = 4, Alpha = 8, Dropout = 0.1 };

    private readonly TemporaryFolder _folder = new();

    private string Place => Path.Combine(_folder.Path, "checkpoints");

    private FineTuneOptions Options => new() { Epochs = 4, BatchSize = 3, MicroBatchSize = 2, LearningRate = 5e-3, CheckpointFolder = Place, CheckpointSteps = 1, CheckpointsKept = 100 };

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    internal static EncodedExample[] Examples() =>
    [
        .. Enumerable.Range(0, 7).Select(i =>
        {
            int[] response = [.. Enumerable.Range(0, 3 + i % 4).Select(t => (7 * i + 3 * t) % 31)];
            return new EncodedExample(i % 3 == 0 ? Polarity.Correct : Polarity.Incorrect, response, [1, 2, i], i % 3 == 0 ? [] : [1, 3, 4, i], [5, i, 6], $"row {i + 1}");
        }),
    ];

    internal static ICausalLanguageModel Load(ModelFolder folder, int threads = 1, LoraConfiguration? lora = null, TrainableWeights trainable = TrainableWeights.Lora) =>
        new ManagedEngine(threads).Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Lora = trainable == TrainableWeights.Lora ? lora ?? Lora : null });

    private static FineTuneResult Run(ICausalLanguageModel model, FineTuneOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default, EncodedExample[]? rows = null, string? baseModel = null) =>
        new FineTuner(model, new NaturalLanguageObjective(), options) { BaseModel = baseModel }.Run(rows ?? Examples(), progress, cancellation);

    private static float[] State(ICausalLanguageModel model) => [.. model.Export(ModelState.Weights).Concat(model.Export(ModelState.Optimizer)).SelectMany(tensor => tensor.Values)];

    [TestMethod]
    [DataRow(ContextRefresh.EveryStep, TrainableWeights.Lora)]
    [DataRow(ContextRefresh.EveryEpoch, TrainableWeights.Lora)]
    [DataRow(ContextRefresh.Once, TrainableWeights.Lora)]
    [DataRow(ContextRefresh.EveryStep, TrainableWeights.All)]
    public void Run_ResumedFromEveryStep_EndsAsTheUnbrokenRunToTheBit(ContextRefresh refresh, TrainableWeights trainable)
    {
        using var folder = TinyModels.Create();
        using var unbroken = Load(folder, trainable: trainable);
        var options = Options with { Refresh = refresh, RecordedRows = [1, 0] };
        var expected = Run(unbroken, options);
        Assert.HasCount(12, Directory.GetFiles(Place));
        for (var step = 1; step <= 12; step++)
        {
            using var model = Load(folder, threads: 1 + step % 2, trainable: trainable);
            var result = Run(model, options with { CheckpointFolder = null, ResumeFrom = Path.Combine(Place, Checkpoint.FileName(step)) });
            Assert.AreEqual(step, result.ResumedSteps);
            CollectionAssert.AreEqual(State(unbroken), State(model), $"resumed after step {step}");
            CollectionAssert.AreEqual(Numbers(expected), Numbers(result));
            CollectionAssert.AreEqual(expected.Recorded.SelectMany(epoch => epoch.Rows).SelectMany(row => row.Saliency).ToArray(), result.Recorded.SelectMany(epoch => epoch.Rows).SelectMany(row => row.Saliency).ToArray());
            foreach (var (a, b) in expected.Recorded.SelectMany(epoch => epoch.Rows).Zip(result.Recorded.SelectMany(epoch => epoch.Rows)))
                CollectionAssert.AreEqual(a.Reach!.Walks(ClusterRule.Similar).ToArray(), b.Reach!.Walks(ClusterRule.Similar).ToArray());
        }

        static (int, double, double, double, double, long)[] Numbers(FineTuneResult result) =>
            [.. result.Steps.Select(step => (step.Step, step.Epoch, step.Loss, step.GradientNorm, step.LearningRate, step.TokensSeen))];
    }

    [TestMethod]
    public void Run_Cancelled_LeavesACheckpointOfTheLastStep_AndGoesOnFromTheFolder()
    {
        using var folder = TinyModels.Create();
        using var unbroken = Load(folder);
        Run(unbroken, Options with { CheckpointFolder = null });
        using var model = Load(folder);
        using var source = new CancellationTokenSource();
        var options = Options with { CheckpointSteps = 0, ReturnPartialOnCancel = true, ResumeFrom = Place }; // there is none yet: from the beginning
        var cancelled = Run(model, options, new Listener(step => { if (step.Step == 5) source.Cancel(); }), source.Token);
        Assert.IsTrue(cancelled.Cancelled);
        Assert.AreEqual(0, cancelled.ResumedSteps);
        Assert.AreEqual(Path.Combine(Place, "step-00000005.safetensors"), cancelled.LastCheckpoint);
        using var again = Load(folder);
        Assert.AreEqual(5, Run(again, options).ResumedSteps);
        CollectionAssert.AreEqual(State(unbroken), State(again));
        using var done = Load(folder);
        Assert.AreEqual(12, Run(done, options).ResumedSteps, "the last one is that of the end");
        CollectionAssert.AreEqual(State(unbroken), State(done));
    }

    [TestMethod]
    public void Run_ListenerThrows_LeavesACheckpointOfThatStep()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        var thrown = Assert.ThrowsExactly<InvalidDataException>(() => Run(model, Options with { CheckpointSteps = 0 }, new Listener(step => { if (step.Step == 2) throw new InvalidDataException("mine"); })));
        Assert.AreEqual("mine", thrown.Message);
        CollectionAssert.AreEqual(new[] { Path.Combine(Place, "step-00000002.safetensors") }, Checkpoint.In(Place).ToArray());
    }

    [TestMethod]
    public void Run_KeepsTheNewest_AndRemovesWhatAKilledProcessLeft()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        Directory.CreateDirectory(Place);
        File.WriteAllText(Path.Combine(Place, ".step-00000003.safetensors.x7y"), "half a file");
        Run(model, Options with { CheckpointSteps = 5, CheckpointsKept = 2 });
        CollectionAssert.AreEqual(new[] { "step-00000010.safetensors", "step-00000012.safetensors" }, Directory.GetFiles(Place).Select(Path.GetFileName).Order().ToArray());
    }

    [TestMethod]
    public void Run_Minutes_CheckpointsByTheClock()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        var time = new ManualTime();
        new FineTuner(model, new NaturalLanguageObjective(), Options with { CheckpointSteps = 0, CheckpointMinutes = 2 }, time).Run(Examples(), new Listener(_ => time.Advance(50)));
        CollectionAssert.AreEqual(new[] { 4, 7, 10, 12 }.Select(Checkpoint.FileName).ToArray(), Directory.GetFiles(Place).Select(Path.GetFileName).Order().ToArray());
    }

    [TestMethod]
    public void Run_CheckpointOfAnotherRun_IsRefusedWithEachDifference()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        Run(model, Options with { Epochs = 1 }, baseModel: "0123456789abcdef");
        var path = Path.Combine(Place, Checkpoint.FileName(3));
        using var other = Load(folder, lora: Lora with { Alpha = 16 });
        var rows = Examples();
        rows[4] = new EncodedExample(Polarity.Incorrect, [1], [1], [1], [1], "row 5");
        var before = State(other);
        Assert.AreEqual($"checkpoint {path}: found another run (base model 0123456789ab there, fedcba987654 here; Epochs 1 there, 2 here; LearningRate 0.005 there, 0.1 here; Lora.Alpha 8 there, 16 here; " +
            "7 rows there, 6 here; another row 5); expected the same base model, engine, options and rows. Give what it was written with, or start anew without ResumeFrom.",
            Refusal(() => Run(other, Options with { Epochs = 2, LearningRate = 0.1, ResumeFrom = Place }, rows: rows[..6], baseModel: "fedcba9876543210")));
        CollectionAssert.AreEqual(before, State(other));
        Assert.AreEqual($"option CheckpointFolder, {Place}: found step-00000003.safetensors of an earlier run; expected a folder without checkpoints. Set ResumeFrom to that folder to go on from there, or name another folder.",
            Refusal(() => Run(other, Options)));
    }

    [TestMethod]
    public void Find_DamagedCheckpoints_AreSteppedOverOrRefused()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        Run(model, Options with { Epochs = 1 });
        string Of(int step) => Path.Combine(Place, Checkpoint.FileName(step));
        var bytes = File.ReadAllBytes(Of(3));
        bytes[^9] ^= 1;
        File.WriteAllBytes(Of(3), bytes);
        Assert.AreEqual(Of(2), Checkpoint.Find(Place)!.Value.Path);
        StringAssert.Matches(Refusal(() => Checkpoint.Find(Of(3))), new($"^{Of(3)}: found contents with the hash [0-9a-f]{{12}}; expected [0-9a-f]{{12}}, as it was written. The file is damaged. Use another checkpoint, or start anew without ResumeFrom.$"));
        File.WriteAllBytes(Of(2), bytes[..100]);
        File.Delete(Of(1));
        StringAssert.StartsWith(Refusal(() => Checkpoint.Find(Place)), $"{Of(3)}: found contents");
        Assert.AreEqual($"{Of(1)}: found no such file; expected a checkpoint of this library. Use another checkpoint, or start anew without ResumeFrom.", Refusal(() => Checkpoint.Find(Of(1))));
        SafetensorsWriter.Write(Of(1), []);
        Assert.AreEqual($"{Of(1)}: found a safetensors file without the state of a run; expected a checkpoint of this library. Use another checkpoint, or start anew without ResumeFrom.", Refusal(() => Checkpoint.Find(Of(1))));
    }

    [TestMethod]
    public void Run_OptionsOutOfRange_AreRefused()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        Assert.AreEqual("option CheckpointFolder: found \" \"; expected a path, or null. Leave it out to write no checkpoints.", Refusal(() => Run(model, new() { CheckpointFolder = " " })));
        Assert.AreEqual("option CheckpointSteps: found -1; expected 0 or more. Set the steps between two checkpoints.", Refusal(() => Run(model, new() { CheckpointSteps = -1 })));
        Assert.AreEqual("option CheckpointMinutes: found NaN; expected 0 or more. Set the minutes between two checkpoints.", Refusal(() => Run(model, new() { CheckpointMinutes = double.NaN })));
        Assert.AreEqual("option CheckpointsKept: found 0; expected 1 or more. Set how many checkpoints stay.", Refusal(() => Run(model, new() { CheckpointsKept = 0 })));
        Assert.AreEqual("option ResumeFrom: found \"\"; expected a path, or null. Leave it out to begin at the beginning.", Refusal(() => Run(model, new() { ResumeFrom = "" })));
    }

    internal static string Refusal(Action action) => Assert.ThrowsExactly<NlftException>(action).Message;
}
