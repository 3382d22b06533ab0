using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A checkpoint whose hash is right and whose numbers are not those of the run is refused, and the message names the number.</summary>
[TestClass]
public sealed class ForgedCheckpointTests
{
    private readonly SmallRun _run = new();

    private FineTuneOptions Options =>
        new() { Epochs = 3, BatchSize = 3, LearningRate = 5e-3, CheckpointFolder = _run.Checkpoints, CheckpointSteps = 1 };

    [TestCleanup]
    public void Clean() => _run.Dispose();

    public static IEnumerable<object[]> Forgeries =>
    [
        Forgery("step: found 4; expected 7, by its epoch and rows", state => state.Epoch = 2),
        Forgery("epoch: found 1000; expected 0 to 3", state => state.Epoch = 1000),
        Forgery("rows done: found 2; expected a multiple of the batch size", state => state.RowsDone = 2),
        Forgery("step: found 2000000000; expected 4", state => (state.Step, state.Skipped) = (2_000_000_000, 2_000_000_000 - state.Steps.Count)),
        Forgery("tokens trained: found -1; expected 0 or more", state => state.TokensTrained = -1),
        Forgery("reported step: found 2; expected 3 to 4", state => state.Steps[2] = state.Steps[2] with { Step = 2 }),
        Forgery("reported total: found 1000000; expected 9", state => state.Steps[0] = state.Steps[0] with { TotalSteps = 1_000_000 }),
        Forgery("reported epoch: found -5; expected 0 to 3", state => state.Steps[1] = state.Steps[1] with { Epoch = -5 }),
        Forgery("loss of step 1: found NaN; expected a finite number", state => state.Steps[0] = state.Steps[0] with { Loss = double.NaN }),
        Forgery("tokens seen: found -1; expected 0 or more", state => state.Steps[0] = state.Steps[0] with { TokensSeen = -1 }),
        Forgery("elapsed time: found -00:00:01; expected 0 or more", state =>
            state.Steps[0] = state.Steps[0] with { Elapsed = -TimeSpan.FromSeconds(1) }),
        Forgery("recorded rows: found null", state => state.Pending = [new RecordedEpoch(0, null!)]),
        Forgery("recorded rows: found null", state => state.Pending = [null!]),
        Forgery("recorded rows: found 0; expected 1", state => state.Pending = [new RecordedEpoch(0, [])]),
        Forgery("recorded row: found null", state => state.Pending = [new RecordedEpoch(0, [null!])]),
        Forgery("recorded epoch: found 7; expected 0 to 1", state => state.Pending = [new RecordedEpoch(7, [])]),
        Forgery("step of an evaluation: found 99; expected 0 to 4", state => state.Evaluations.Add(new() { Step = 99, Epoch = 1, Loss = 1 })),
        Forgery("right answers: found 5; expected 0 to 2", state =>
            state.Evaluations.Add(new() { Step = 1, Epoch = 1, Loss = 1, Correct = 5, Answered = 2 })),
    ];

    [TestMethod]
    [DynamicData(nameof(Forgeries))]
    public void Resume_NumberThatTheRunCannotHave_IsRefused(string message, Action<object> forge)
    {
        var options = Options with { RecordedRows = [1] };
        using var model = _run.Load();
        using var stop = new CancellationTokenSource();
        SmallRun.Run(model, options with { ReturnPartialOnCancel = true }, step => { if (step.Step == 4) stop.Cancel(); }, cancellation: stop.Token);
        var path = _run.CheckpointOf(4);
        var checkpoint = Checkpoint.Load(path);
        forge(checkpoint.State);
        checkpoint.Save(path);

        using var again = _run.Load();
        var refusal = Assert.ThrowsExactly<NlftException>(() => SmallRun.Run(again, options with { CheckpointFolder = null, ResumeFrom = path }));
        StringAssert.Contains(refusal.Message, message);
    }

    [TestMethod]
    public void Run_FolderOfAnotherRun_IsRefusedAndKeepsItsFiles()
    {
        using var model = _run.Load();
        using var other = _run.Load();
        string? message = null;
        SmallRun.Run(model, Options, step =>
        {
            if (step.Step != 2) return;
            File.WriteAllText(Path.Combine(_run.Checkpoints, ".step-00000002.safetensors.abc"), "being written");
            message = Assert.ThrowsExactly<NlftException>(() => SmallRun.Run(other, Options with { ResumeFrom = _run.Checkpoints })).Message;
            Assert.IsTrue(File.Exists(Path.Combine(_run.Checkpoints, ".step-00000002.safetensors.abc")));
        });
        StringAssert.Contains(message, "found a folder to which another run is writing");
        Assert.IsFalse(File.Exists(Path.Combine(_run.Checkpoints, ".nlft.lock")));
        SmallRun.Run(other, Options with { ResumeFrom = _run.Checkpoints });
    }

    private static object[] Forgery(string message, Action<RunState> forge) => [message, (Action<object>)(state => forge((RunState)state))];
}
