using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.Tests.Models;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>What goes wrong around a run, and what is said then.</summary>
[TestClass]
public sealed class FaultTests
{
    private readonly TemporaryFolder _folder = new();

    private string Place => Path.Combine(_folder.Path, "checkpoints");

    private FineTuneOptions Options => new() { Epochs = 2, BatchSize = 4, LearningRate = 5e-3, CheckpointFolder = Place, CheckpointSteps = 1, Shuffle = false };

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    /// <summary>Linux's device that is always full: the error is the one of a full disk, with any user's rights.</summary>
    [TestMethod]
    public void Write_FullDisk_IsSaid_AndTheOldFileStays()
    {
        if (!File.Exists("/dev/full")) Assert.Inconclusive("There is no /dev/full here.");
        var path = _folder.Write("a.bin", "old");
        Assert.AreEqual("a.bin: found a full disk; expected room for the file. Free space on the disk, or name a place on another one. What was there before is unchanged.", _folder.Refusal(() => AtomicFile.Write(path, Full)));
        Assert.AreEqual("old", File.ReadAllText(path));
        Assert.AreEqual("new: found a full disk; expected room for the file. Free space on the disk, or name a place on another one. What was there before is unchanged.",
            _folder.Refusal(() => AtomicFolder.Write(_folder.File("new"), _ => Full(Stream.Null))));
        CollectionAssert.AreEqual(new[] { "a.bin" }, _folder.Files());
        Assert.IsFalse(Directory.EnumerateDirectories(_folder.Path).Any());
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
        File.WriteAllText(Place, "in the way");
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        var steps = 0;
        var message = _folder.Refusal(() => Run(model, Options, new Listener(_ => steps++)));
        StringAssert.StartsWith(message, "checkpoints: found a place that cannot be written (");
        StringAssert.EndsWith(message, "); expected a place for a file. Name another place. What was there before is unchanged.");
        Assert.AreEqual(0, steps);
    }

    [TestMethod]
    public void Run_CheckpointCannotBeWritten_StopsAndNamesTheLastOne()
    {
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        Directory.CreateDirectory(Path.Combine(Place, Checkpoint.FileName(3), "in the way"));
        var message = _folder.Refusal(() => Run(model, Options));
        StringAssert.StartsWith(message, "checkpoints/step-00000003.safetensors: found a place that ");
        StringAssert.EndsWith(message, " Then go on with ResumeFrom; the last checkpoint is checkpoints/step-00000002.safetensors.");
        CollectionAssert.AreEqual(new[] { 2, 1 }.Select(Checkpoint.FileName).ToArray(), Checkpoint.In(Place).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void Run_LossNotFinite_StopsWithStepRowAndLastCheckpoint()
    {
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        var message = _folder.Refusal(() => new FineTuner(model, new Poisoned(call: 6), Options).Run(CheckpointTests.Examples()));
        Assert.AreEqual("training step 2, row 6, NLFT loss: found NaN; expected a finite number. The weights are those after step 1; lower LearningRate, or leave out the row if it is at fault. " +
            "The last checkpoint is checkpoints/step-00000001.safetensors.", message);
    }

    [TestMethod]
    public void Run_GradientNotFinite_StopsWithStepRowsAndLastCheckpoint()
    {
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        var message = _folder.Refusal(() => new FineTuner(model, new Poisoned(call: 6) { Coefficient = 1e38f }, Options with { CheckpointSteps = 0 }).Run(CheckpointTests.Examples()));
        StringAssert.Matches(message, new("^training step 2, gradient norm of row 5; row 6; row 7: found (NaN|∞|Infinity); expected a finite number. The weights are those after step 1; lower LearningRate, or leave out the row if it is at fault. " +
            "The last checkpoint is checkpoints/step-00000001.safetensors.$"));
    }

    [TestMethod]
    [DataRow(0f)]
    [DataRow(1e38f)]
    public void Run_SkipNonFiniteSteps_LeavesThemOutAndCountsThem(float coefficient)
    {
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        var told = new List<int>();
        var result = new FineTuner(model, new Poisoned(call: 6) { Coefficient = coefficient }, Options with { SkipNonFiniteSteps = true }).Run(CheckpointTests.Examples(), new Listener(step => told.Add(step.Step)));
        Assert.AreEqual(1, result.SkippedSteps);
        CollectionAssert.AreEqual(new[] { 1, 3, 4 }, told);
        CollectionAssert.AreEqual(told, result.Steps.Select(step => step.Step).ToArray());
        Assert.AreEqual(2.0, result.Steps[^1].Epoch);
        Assert.AreEqual(1, Checkpoint.Load(result.LastCheckpoint!).State.Skipped);
    }

    [TestMethod]
    public void Run_ModelFilesDeletedWhileMapped_GoesOn()
    {
        using var untouched = TinyModels.Create();
        using var expected = CheckpointTests.Load(untouched);
        Run(expected, Options with { CheckpointFolder = null });
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        Run(model, Options with { CheckpointFolder = null }, new Listener(step => { if (step.Step == 1) Directory.Delete(folder.Path, recursive: true); }));
        CollectionAssert.AreEqual(Weights(expected), Weights(model));
    }

    [TestMethod]
    public void Run_CancelledInTheMiddle_EndsWithinThatStep()
    {
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        using var source = new CancellationTokenSource();
        var objective = new Poisoned(call: 6) { Action = source.Cancel };
        Assert.ThrowsExactly<OperationCanceledException>(() => new FineTuner(model, objective, Options with { MicroBatchSize = 1 }).Run(CheckpointTests.Examples(), null, source.Token));
        Assert.AreEqual(6, objective.Calls, "no further row was looked at");
        CollectionAssert.AreEqual(new[] { Checkpoint.FileName(1) }, Checkpoint.In(Place).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void Require_MoreMemoryThanThereIs_NamesThePartsAndWhatBringsThemDown()
    {
        using var folder = TinyModels.Create();
        using var model = CheckpointTests.Load(folder);
        using var all = CheckpointTests.Load(folder, trainable: TrainableWeights.All);
        var rows = CheckpointTests.Examples();
        LocalModelMemory.Require(model, new() { BatchSize = 4 }, rows, 1 << 20);
        Assert.AreEqual("memory to train 4 rows together, 29 tokens: found 49.9 KiB (37.9 KiB of activations, 12.0 KiB of trained weights with gradients and optimizer; the frozen weights stay in their file); " +
            "expected at most 20.0 KiB, what this process may use. To bring it down, set MicroBatchSize to 1 (23.8 KiB in all), or cut long rows with PromptOptions.MaximumTokens.",
            _folder.Refusal(() => LocalModelMemory.Require(model, new() { BatchSize = 4 }, rows, 20 << 10)));
        StringAssert.Contains(_folder.Refusal(() => LocalModelMemory.Require(all, new() { BatchSize = 4, MicroBatchSize = 1 }, rows, 20 << 10)), "To bring it down, train LoRA factors instead of all weights (");
        StringAssert.EndsWith(_folder.Refusal(() => LocalModelMemory.Require(model, new() { MicroBatchSize = 1 }, [rows[0]], 1 << 10)), ".");
    }

    private static FineTuneResult Run(ICausalLanguageModel model, FineTuneOptions options, IProgress<TrainingProgress>? progress = null) =>
        new FineTuner(model, new NaturalLanguageObjective(), options).Run(CheckpointTests.Examples(), progress);

    private static float[] Weights(ICausalLanguageModel model) => [.. model.Export(ModelState.Weights).SelectMany(tensor => tensor.Values)];

    /// <summary>The natural language objective that does something else at one of its calls: a loss of NaN, large coefficients, or an action.</summary>
    private sealed class Poisoned(int call) : ITokenObjective
    {
        private readonly NaturalLanguageObjective _whole = new();

        public float Coefficient { get; init; }

        public Action? Action { get; init; }

        public int Calls { get; private set; }

        public string Name => _whole.Name;

        public PromptContexts ScoredContexts(Polarity polarity) => _whole.ScoredContexts(polarity);

        public PromptContexts TrainedContexts(Polarity polarity) => _whole.TrainedContexts(polarity);

        public bool NeedsHiddenStates(Polarity polarity) => _whole.NeedsHiddenStates(polarity);

        public TokenObjectiveResult Evaluate(ExampleScores scores)
        {
            var result = _whole.Evaluate(scores);
            if (++Calls != call) return result;
            Action?.Invoke();
            if (Action is not null) return result;
            return Coefficient == 0 ? result with { Loss = double.NaN } : result with { Coefficients = Array.ConvertAll(result.Coefficients, _ => (double)Coefficient) };
        }
    }
}
