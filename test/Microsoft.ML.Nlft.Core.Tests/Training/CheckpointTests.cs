using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A run that is interrupted and resumed ends where the uninterrupted one does, to the bit.</summary>
[TestClass]
public sealed class CheckpointTests
{
    private readonly SmallRun _run = new();

    private FineTuneOptions Options => new()
    {
        Epochs = 4,
        BatchSize = 3,
        MicroBatchSize = 2,
        LearningRate = 5e-3,
        CheckpointFolder = _run.Checkpoints,
        CheckpointSteps = 1,
        CheckpointsKept = 100,
    };

    [TestCleanup]
    public void Clean() => _run.Dispose();

    [TestMethod]
    [DataRow(ContextRefresh.EveryStep, TrainableWeights.Lora)]
    [DataRow(ContextRefresh.EveryEpoch, TrainableWeights.Lora)]
    [DataRow(ContextRefresh.Once, TrainableWeights.Lora)]
    [DataRow(ContextRefresh.EveryStep, TrainableWeights.All)]
    public void Run_ResumedFromEveryStep_EndsAsTheUnbrokenRunToTheBit(ContextRefresh refresh, TrainableWeights trainable)
    {
        using var unbroken = _run.Load(trainable: trainable);
        var options = Options with { Refresh = refresh, RecordedRows = [1, 0] };
        var expected = SmallRun.Run(unbroken, options);
        Assert.HasCount(12, Directory.GetFiles(_run.Checkpoints));
        for (var step = 1; step <= 12; step++)
        {
            using var model = _run.Load(threads: 1 + step % 2, trainable: trainable);
            var result = SmallRun.Run(model, options with { CheckpointFolder = null, ResumeFrom = _run.CheckpointOf(step) });
            Assert.AreEqual(step, result.ResumedSteps);
            CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(model), $"resumed after step {step}");
            CollectionAssert.AreEqual(Numbers(expected), Numbers(result));
            CollectionAssert.AreEqual(expected.Recorded.SelectMany(epoch => epoch.Rows).SelectMany(row => row.Saliency).ToArray(),
                result.Recorded.SelectMany(epoch => epoch.Rows).SelectMany(row => row.Saliency).ToArray());
            foreach (var (a, b) in expected.Recorded.SelectMany(epoch => epoch.Rows).Zip(result.Recorded.SelectMany(epoch => epoch.Rows)))
                CollectionAssert.AreEqual(a.Reach!.Walks(ClusterRule.Similar).ToArray(), b.Reach!.Walks(ClusterRule.Similar).ToArray());
        }

        static (int, double, double, double, double, long)[] Numbers(FineTuneResult result) =>
            [.. result.Steps.Select(step => (step.Step, step.Epoch, step.Loss, step.GradientNorm, step.LearningRate, step.TokensSeen))];
    }

    public static IEnumerable<object[]> Kinds =>
    [
        [SmallRun.Lora with { UseDora = true }],
        [SmallRun.Lora with { LoraBias = true }],
        [SmallRun.Lora with { ModulesToSave = ["lm_head"] }],
        [SmallRun.Lora with { ModulesToSave = ["embed_tokens", "lm_head"] }],
        [SmallRun.Lora with { TargetModules = ["embed_tokens", "lm_head", "q_proj"] }],
    ];

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Run_ResumedWithAnyKindOfAdapter_EndsAsTheUnbrokenRunToTheBit(LoraConfiguration lora)
    {
        using var unbroken = _run.Load(lora: lora);
        SmallRun.Run(unbroken, Options);
        using var model = _run.Load(lora: lora);
        SmallRun.Run(model, Options with { CheckpointFolder = null, ResumeFrom = _run.CheckpointOf(5) });
        CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(model));
        using var other = _run.Load();
        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() =>
            SmallRun.Run(other, Options with { CheckpointFolder = null, ResumeFrom = _run.CheckpointOf(5) })).Message, "Lora.");
    }

    /// <summary>A checkpoint from before an adapter had a setting says nothing of it.</summary>
    [TestMethod]
    public void DifferencesFrom_SettingOfTheAdapterThatTheOtherRunLacks_IsNone()
    {
        using var model = _run.Load();
        var now = RunIdentity.Of("base", "engine", model, new NaturalLanguageObjective(), Options, RunRows.Of(SmallRun.Rows(), null, Options));
        string[] gained = ["Lora.UseDora", "Lora.LoraBias", "Lora.Bias", "Lora.ModulesToSave"];
        foreach (var name in gained) Assert.IsTrue(now.Options.ContainsKey(name), name);
        var before = now with { Options = now.Options.Where(option => !gained.Contains(option.Key)).ToDictionary() };
        Assert.IsEmpty(now.DifferencesFrom(before).ToArray());
        var other = now.Options.Where(option => !option.Key.StartsWith("Lora.", StringComparison.Ordinal)).ToDictionary();
        Assert.IsNotEmpty(now.DifferencesFrom(now with { Options = other }).ToArray(), "a run without an adapter");
    }

    [TestMethod]
    public void Run_Cancelled_LeavesACheckpointOfTheLastStep_AndGoesOnFromTheFolder()
    {
        using var unbroken = _run.Load();
        SmallRun.Run(unbroken, Options with { CheckpointFolder = null });
        using var model = _run.Load();
        using var source = new CancellationTokenSource();
        // there is none yet: from the beginning
        var options = Options with { CheckpointSteps = 0, ReturnPartialOnCancel = true, ResumeFrom = _run.Checkpoints };
        var cancelled = SmallRun.Run(model, options, step => { if (step.Step == 5) source.Cancel(); }, cancellation: source.Token);
        Assert.IsTrue(cancelled.Cancelled);
        Assert.AreEqual(0, cancelled.ResumedSteps);
        Assert.AreEqual(_run.CheckpointOf(5), cancelled.LastCheckpoint);
        using var again = _run.Load();
        Assert.AreEqual(5, SmallRun.Run(again, options).ResumedSteps);
        CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(again));
        using var done = _run.Load();
        Assert.AreEqual(12, SmallRun.Run(done, options).ResumedSteps, "the last one is that of the end");
        CollectionAssert.AreEqual(SmallRun.State(unbroken), SmallRun.State(done));
    }

    [TestMethod]
    public void Run_ListenerThrows_LeavesACheckpointOfThatStep()
    {
        using var model = _run.Load();
        var thrown = Assert.ThrowsExactly<InvalidDataException>(() => SmallRun.Run(model, Options with { CheckpointSteps = 0 },
            step => { if (step.Step == 2) throw new InvalidDataException("mine"); }));
        Assert.AreEqual("mine", thrown.Message);
        CollectionAssert.AreEqual(new[] { Checkpoint.FileName(2) }, _run.CheckpointNames);
    }

    [TestMethod]
    public void Run_KeepsTheNewest_AndRemovesWhatAKilledProcessLeft()
    {
        using var model = _run.Load();
        Directory.CreateDirectory(_run.Checkpoints);
        File.WriteAllText(Path.Combine(_run.Checkpoints, ".step-00000003.safetensors.x7y"), "half a file");
        SmallRun.Run(model, Options with { CheckpointSteps = 5, CheckpointsKept = 2 });
        CollectionAssert.AreEqual(new[] { "checkpoints/step-00000010.safetensors", "checkpoints/step-00000012.safetensors" }, _run.Folder.Files());
    }

    [TestMethod]
    public void Run_Minutes_CheckpointsByTheClock()
    {
        using var model = _run.Load();
        var time = new ManualTime();
        SmallRun.Run(model, Options with { CheckpointSteps = 0, CheckpointMinutes = 2 }, _ => time.Advance(50), time: time);
        CollectionAssert.AreEqual(new[] { 4, 7, 10, 12 }.Select(Checkpoint.FileName).ToArray(), _run.CheckpointNames);
    }

    [TestMethod]
    public void Run_CheckpointOfAnotherRun_IsRefusedWithEachDifference()
    {
        using var model = _run.Load();
        SmallRun.Run(model, Options with { Epochs = 1 }, baseModel: "0123456789abcdef");
        using var other = _run.Load(lora: SmallRun.Lora with { Alpha = 16 });
        var rows = SmallRun.Rows();
        rows[4] = new EncodedExample(Polarity.Incorrect, [1], [1], [1], [1], "row 5");
        var before = SmallRun.State(other);
        Assert.AreEqual("checkpoint checkpoints/step-00000003.safetensors: found another run (base model 0123456789ab there, fedcba987654 here; "
            + "Epochs 1 there, 2 here; LearningRate 0.005 there, 0.1 here; Lora.Alpha 8 there, 16 here; " +
            "7 rows there, 6 here; another row 5); expected the same base model, engine, options and rows. Give what it was written with, or start "
                + "anew without ResumeFrom.",
            _run.Folder.Refusal(() => SmallRun.Run(other, Options with { Epochs = 2, LearningRate = 0.1, ResumeFrom = _run.Checkpoints },
                rows: rows[..6], baseModel: "fedcba9876543210")));
        CollectionAssert.AreEqual(before, SmallRun.State(other));
        Assert.AreEqual("option CheckpointFolder, checkpoints: found step-00000003.safetensors of an earlier run; expected a folder without "
            + "checkpoints. Set ResumeFrom to that folder to resume from there, or name another folder.",
            _run.Folder.Refusal(() => SmallRun.Run(other, Options)));
    }

    [TestMethod]
    public void Find_DamagedCheckpoints_AreSteppedOverOrRefused()
    {
        using var model = _run.Load();
        SmallRun.Run(model, Options with { Epochs = 1 });
        var (first, second, third) = (_run.CheckpointOf(1), _run.CheckpointOf(2), _run.CheckpointOf(3));
        var bytes = File.ReadAllBytes(third);
        bytes[^9] ^= 1;
        File.WriteAllBytes(third, bytes);
        Assert.AreEqual(second, Checkpoint.Find(_run.Checkpoints)!.Value.Path);
        StringAssert.Matches(_run.Folder.Refusal(() => Checkpoint.Find(third)),
            new("^checkpoints/step-00000003.safetensors: found contents with the hash [0-9a-f]{12}; expected [0-9a-f]{12}, as it was written. The "
            + "file is damaged. Use another checkpoint, or start anew without ResumeFrom.$"));
        File.WriteAllBytes(second, bytes[..100]);
        File.Delete(first);
        StringAssert.StartsWith(
            _run.Folder.Refusal(() => Checkpoint.Find(_run.Checkpoints)), "checkpoints/step-00000003.safetensors: found contents");
        Assert.AreEqual("checkpoints/step-00000001.safetensors: found no such file; expected a checkpoint of this library. Use another checkpoint, "
            + "or start anew without ResumeFrom.", _run.Folder.Refusal(() => Checkpoint.Find(first)));
        SafetensorsWriter.Write(first, []);
        Assert.AreEqual("checkpoints/step-00000001.safetensors: found a safetensors file without the state of a run; expected a checkpoint of this "
            + "library. Use another checkpoint, or start anew without ResumeFrom.", _run.Folder.Refusal(() => Checkpoint.Find(first)));
    }

    [TestMethod]
    public void Run_OptionsOutOfRange_AreRefused()
    {
        using var model = _run.Load();
        Assert.AreEqual("option CheckpointFolder: found \" \"; expected a path, or null. Leave it out to write no checkpoints.",
            _run.Folder.Refusal(() => SmallRun.Run(model, new() { CheckpointFolder = " " })));
        Assert.AreEqual("option CheckpointSteps: found -1; expected 0 or more. Set the steps between two checkpoints.",
            _run.Folder.Refusal(() => SmallRun.Run(model, new() { CheckpointSteps = -1 })));
        Assert.AreEqual("option CheckpointMinutes: found NaN; expected 0 or more. Set the minutes between two checkpoints.",
            _run.Folder.Refusal(() => SmallRun.Run(model, new() { CheckpointMinutes = double.NaN })));
        Assert.AreEqual("option CheckpointsKept: found 0; expected 1 or more. Set how many checkpoints stay.",
            _run.Folder.Refusal(() => SmallRun.Run(model, new() { CheckpointsKept = 0 })));
        Assert.AreEqual("option ResumeFrom: found \"\"; expected a path, or null. Leave it out to begin at the beginning.",
            _run.Folder.Refusal(() => SmallRun.Run(model, new() { ResumeFrom = "" })));
    }

}
