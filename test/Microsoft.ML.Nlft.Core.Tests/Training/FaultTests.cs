using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>What goes wrong around a run, and what is said then.</summary>
[TestClass]
public sealed class FaultTests
{
    private readonly SmallRun _run = new();

    private FineTuneOptions Options => new()
    {
        Epochs = 2,
        BatchSize = 4,
        LearningRate = 5e-3,
        CheckpointFolder = _run.Checkpoints,
        CheckpointSteps = 1,
        Shuffle = false,
    };

    [TestCleanup]
    public void Clean() => _run.Dispose();

    /// <summary>Linux's device that is always full: the error is the one of a full disk, with any user's rights.</summary>
    [TestMethod]
    public void Write_FullDisk_IsSaid_AndTheOldFileStays()
    {
        if (!File.Exists("/dev/full")) Assert.Inconclusive("There is no /dev/full here.");
        var path = _run.Folder.Write("a.bin", "old");
        Assert.AreEqual("a.bin: found a full disk; expected room for the file. Free space on the disk, or name a place on another one. What was "
            + "there before is unchanged.", _run.Folder.Refusal(() => AtomicFile.Write(path, Full)));
        Assert.AreEqual("old", File.ReadAllText(path));
        Assert.AreEqual("new: found a full disk; expected room for the file. Free space on the disk, or name a place on another one. What was there "
            + "before is unchanged.",
            _run.Folder.Refusal(() => AtomicFolder.Write(_run.Folder.File("new"), _ => Full(Stream.Null))));
        CollectionAssert.AreEqual(new[] { "a.bin" }, _run.Folder.Files());
        Assert.IsFalse(Directory.EnumerateDirectories(_run.Folder.Path).Any());
    }

    /// <summary>Permissions do not bind every user, so that the error is made by hand.</summary>
    [TestMethod]
    public void Of_NoPermission_SaysSo()
    {
        Assert.AreEqual("place/file: found a place that may not be written; expected a folder with permission to write. Change its permissions, or "
            + "name another place. What was there before is unchanged.",
            WriteFault.Of("place/file", new UnauthorizedAccessException())!.Message);
        Assert.IsNull(WriteFault.Of("place/file", new InvalidOperationException()), "an error of another kind passes unchanged");
    }

    [TestMethod]
    public void Journal_Device_IsRefused()
    {
        if (!File.Exists("/dev/full")) Assert.Inconclusive("There is no /dev/full here.");
        Assert.AreEqual("/dev/full: found a device; expected a regular file, or none yet. Name another place. What was there before is unchanged.",
            _run.Folder.Refusal(() => new Microsoft.ML.Nlft.Feedback.Journal<Microsoft.ML.Nlft.Feedback.Verdict>("/dev/full", "run")));
    }

    private static void Full(Stream stream)
    {
        using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        full.WriteByte(1);
    }

    /// <summary>A file where a folder should be refuses everybody, the superuser as well.</summary>
    [TestMethod]
    public void Run_CheckpointFolderCannotBeWritten_IsSaidBeforeTheFirstStep()
    {
        File.WriteAllText(_run.Checkpoints, "in the way");
        using var model = _run.Load();
        var steps = 0;
        var message = _run.Folder.Refusal(() => SmallRun.Run(model, Options, _ => steps++));
        StringAssert.StartsWith(message, "checkpoints: found a place that cannot be written (");
        StringAssert.EndsWith(message, "); expected a place for a file. Name another place. What was there before is unchanged.");
        Assert.AreEqual(0, steps);
    }

    [TestMethod]
    public void Run_CheckpointCannotBeWritten_StopsAndNamesTheLastOne()
    {
        using var model = _run.Load();
        Directory.CreateDirectory(Path.Combine(_run.CheckpointOf(3), "in the way"));
        var message = _run.Folder.Refusal(() => SmallRun.Run(model, Options));
        StringAssert.StartsWith(message, "checkpoints/step-00000003.safetensors: found a folder; expected a regular file");
        StringAssert.EndsWith(message, " Then resume with ResumeFrom; the last checkpoint is checkpoints/step-00000002.safetensors.");
        CollectionAssert.AreEqual(new[] { 1, 2 }.Select(Checkpoint.FileName).ToArray(), _run.CheckpointNames);
    }

    [TestMethod]
    public void Run_LossNotFinite_StopsWithStepRowAndLastCheckpoint()
    {
        using var model = _run.Load();
        var message = _run.Folder.Refusal(() => SmallRun.Run(model, Options, objective: new Poisoned(call: 6)));
        Assert.AreEqual("training step 2, row 6, NLFT loss: found NaN; expected a finite number. The weights are those after step 1; lower "
            + "LearningRate, or leave out the row if it is at fault. " +
            "The last checkpoint is checkpoints/step-00000001.safetensors.", message);
    }

    [TestMethod]
    public void Run_GradientNotFinite_StopsWithStepRowsAndLastCheckpoint()
    {
        using var model = _run.Load();
        var message = _run.Folder.Refusal(() => SmallRun.Run(model, Options with { CheckpointSteps = 0 },
            objective: new Poisoned(call: 6) { Coefficient = 1e38f }));
        StringAssert.Matches(message,
            new("^training step 2, gradient norm of row 5; row 6; row 7: found (NaN|∞|Infinity); expected a finite number. The weights are those "
            + "after step 1; lower LearningRate, or leave out the row if it is at fault. " +
            "The last checkpoint is checkpoints/step-00000001.safetensors.$"));
    }

    [TestMethod]
    [DataRow(0f)]
    [DataRow(1e38f)]
    public void Run_SkipNonFiniteSteps_LeavesThemOutAndCountsThem(float coefficient)
    {
        using var model = _run.Load();
        var told = new List<int>();
        var result = SmallRun.Run(model, Options with { SkipNonFiniteSteps = true }, step => told.Add(step.Step), objective: new Poisoned(call: 6)
        {
            Coefficient = coefficient,
        });
        Assert.AreEqual(1, result.SkippedSteps);
        CollectionAssert.AreEqual(new[] { 1, 3, 4 }, told);
        CollectionAssert.AreEqual(told, result.Steps.Select(step => step.Step).ToArray());
        Assert.AreEqual(2.0, result.Steps[^1].Epoch);
        Assert.AreEqual(1, Checkpoint.Load(result.LastCheckpoint!).State.Skipped);
    }

    /// <summary>On Windows the file is locked and the change itself fails.</summary>
    [TestMethod]
    [DataRow("delete")]
    [DataRow("shorten")]
    [DataRow("overwrite")]
    [OSCondition(OperatingSystems.Linux)]
    public void Run_WeightFileChangedByAnother_GoesOnWithWhatWasRead(string change)
    {
        using var untouched = new SmallRun();
        using var expected = untouched.Load();
        SmallRun.Run(expected, Options with { CheckpointFolder = null });
        using var model = _run.Load();
        SmallRun.Run(model, Options with { CheckpointFolder = null },
            step => { if (step.Step == 1) Change(Path.Combine(_run.Model.Path, "model.safetensors")); });
        CollectionAssert.AreEqual(SmallRun.State(expected), SmallRun.State(model));

        void Change(string path)
        {
            if (change == "delete") File.Delete(path);
            else if (change == "shorten") Shell($"truncate -s 100 '{path}'");
            else Shell($"head -c $(stat -c %s '{path}') /dev/zero > '{path}'");
        }

        static void Shell(string command)
        {
            using var shell = System.Diagnostics.Process.Start("sh", ["-c", command]);
            shell.WaitForExit();
            Assert.AreEqual(0, shell.ExitCode);
        }
    }

    [TestMethod]
    public void Run_CancelledInTheMiddle_EndsWithinThatStep()
    {
        using var model = _run.Load();
        using var source = new CancellationTokenSource();
        var objective = new Poisoned(call: 6) { Action = source.Cancel };
        Assert.ThrowsExactly<OperationCanceledException>(() => SmallRun.Run(model, Options with { MicroBatchSize = 1 }, objective: objective,
            cancellation: source.Token));
        Assert.AreEqual(6, objective.Calls, "no further row was looked at");
        CollectionAssert.AreEqual(new[] { Checkpoint.FileName(1) }, _run.CheckpointNames);
    }

    [TestMethod]
    public void RequireTraining_MoreMemoryThanThereIs_NamesThePartsAndWhatBringsThemDown()
    {
        using var model = _run.Load();
        using var all = _run.Load(trainable: TrainableWeights.All);
        var rows = SmallRun.Rows();
        const long Frozen = 30 << 10;
        string Refused(ICausalLanguageModel network, long weights, FineTuneOptions options, EncodedExample[] rows, long available,
            params EncodedExample[] heldOut) => _run.Folder.Refusal(() =>
            MemoryCheck.RequireTraining(new Scarce(available), network, weights, options, rows, heldOut, processes: 1));
        MemoryCheck.RequireTraining(new Scarce(1 << 20), model, Frozen, new() { BatchSize = 4 }, rows, [], processes: 1);
        const string Need = "memory to train 4 rows together, 29 tokens: found 79.9 KiB (37.9 KiB of activations, " +
            "12.0 KiB of trained weights with gradients and optimizer, 30.0 KiB of frozen weights); " +
            "expected at most 60.0 KiB, what this process may use. To bring it down, set MicroBatchSize to 1 (53.8 KiB in all), " +
            "or cut long rows with PromptOptions.MaximumTokens, or set Int8Weights of the engine (53.5 KiB in all).";
        Assert.AreEqual(Need, Refused(model, Frozen, new() { BatchSize = 4 }, rows, 60 << 10));
        Assert.AreEqual(Need, _run.Folder.Refusal(() =>
            MemoryCheck.RequireTraining(new Scarce(120 << 10), model, Frozen, new() { BatchSize = 4 }, rows, [],
                processes: 2)), "two processes share it");
        StringAssert.Contains(Refused(all, 0, new() { BatchSize = 4, MicroBatchSize = 1 }, rows, 20 << 10),
            "To bring it down, train LoRA factors instead of all weights (");
        StringAssert.EndsWith(Refused(model, Frozen, new() { MicroBatchSize = 1 }, [rows[0]], 1 << 10), ".");
        EncodedExample[] heldOut = [new(Polarity.Correct, [.. Enumerable.Repeat(3, 60)], [1, 2], [], [1], "held out")];
        Assert.StartsWith("memory to score 1 held-out rows together, 62 tokens: found 7", Refused(model, Frozen, new() { BatchSize = 1 }, rows[..1],
            70 << 10, heldOut));
        MemoryCheck.RequireTraining(new Scarce(90 << 10), model, Frozen, new() { BatchSize = 1 }, rows[..1], heldOut, processes: 1);
    }

    [TestMethod]
    public void RequireWeights_MoreThanThereIs_NamesBothSizesAndWhatHelps()
    {
        long Frozen(TrainableWeights trainable, bool int8 = false) =>
            new ManagedEngine(new ManagedEngineOptions { Int8Weights = int8 }).Estimate(new()
            {
                Model = _run.Model.Configuration, WeightBytes = _run.Model.WeightBytes, Trainable = trainable,
            })!.Weights;
        Assert.AreEqual(0, Frozen(TrainableWeights.All), "trained weights are counted as such");
        Assert.AreEqual(0, Frozen(TrainableWeights.Lora, int8: true));
        var frozen = Frozen(TrainableWeights.Lora);
        Assert.AreEqual(ModelLayout.Weights(_run.Model.Configuration).Sum(weight => 4 * weight.Shape.Aggregate(1L, (a, b) => a * b)), frozen);
        MemoryCheck.RequireWeights(new Scarce(frozen), _run.Model, TrainableWeights.Lora);
        Assert.AreEqual($"memory for the weights of {_run.Model.Path}: found 10.4 KiB; expected at most 4.0 KiB, what this process may use. " +
            "Set Int8Weights of the engine (3.6 KiB), or use a smaller model.",
            _run.Folder.Refusal(() => MemoryCheck.RequireWeights(new Scarce(4 << 10), _run.Model, TrainableWeights.Lora)));
    }

    /// <summary>The managed engine in a process that may use little memory.</summary>
    private sealed class Scarce(long available) : IModelEngine
    {
        private readonly ManagedEngine _engine = new(1);

        public string Name => _engine.Name;

        public MemoryNeed? Estimate(MemoryRequest request) => _engine.Estimate(request)! with { Available = available };

        public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
            _engine.Load(options, cancellationToken);
    }

    /// <summary>
    /// The natural language objective that does something else at one of its calls: a loss of NaN, large coefficients, or an action.
    /// </summary>
    private sealed class Poisoned(int call) : ITokenObjective
    {
        private readonly NaturalLanguageObjective _whole = new();

        public float Coefficient { get; init; }

        public Action? Action { get; init; }

        public int Calls { get; private set; }

        public string Name => _whole.Name;

        public IReadOnlyList<KeyValuePair<string, string>> Settings => _whole.Settings;

        public PromptContexts ScoredContexts(Polarity polarity) => _whole.ScoredContexts(polarity);

        public PromptContexts TrainedContexts(Polarity polarity) => _whole.TrainedContexts(polarity);

        public bool NeedsHiddenStates(Polarity polarity) => _whole.NeedsHiddenStates(polarity);

        public TokenObjectiveResult Evaluate(ExampleScores scores)
        {
            var result = _whole.Evaluate(scores);
            if (++Calls != call) return result;
            Action?.Invoke();
            if (Action is not null) return result;
            return Coefficient == 0 ? result with { Loss = double.NaN } : result with
            {
                Coefficients = Array.ConvertAll(result.Coefficients, _ => (double)Coefficient),
            };
        }
    }
}
