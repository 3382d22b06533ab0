using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>Writes the checkpoints of a run when they are due and deletes the oldest.</summary>
internal sealed class CheckpointObserver : ITrainingObserver, IDisposable
{
    private readonly FineTuneOptions _options;
    private readonly ICausalLanguageModel _model;
    private readonly Lazy<RunIdentity> _run;
    private readonly ConstantContexts _constants;
    private readonly TimeProvider _time;
    private readonly FolderLock? _folder;
    private long _lastTime;
    private int _lastStep;

    /// <param name="options">Where, how often and how many.</param>
    /// <param name="model">Its weights and optimizer.</param>
    /// <param name="run">The identity of the run.</param>
    /// <param name="constants">The cached contexts.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="NlftException">The folder holds checkpoints of another run, is in use by one, or cannot be created.</exception>
    public CheckpointObserver(FineTuneOptions options, ICausalLanguageModel model, Lazy<RunIdentity> run, ConstantContexts constants,
        TimeProvider time)
    {
        (_options, _model, _run, _constants, _time) = (options, model, run, constants, time);
        _lastTime = time.GetTimestamp();
        if (options.CheckpointFolder is not { } folder) return;
        _folder = FolderLock.Inside(folder);
        try
        {
            Prepare(folder);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Releases the checkpoint folder for other runs.</summary>
    public void Dispose() => _folder?.Dispose();

    private void Prepare(string folder)
    {
        if (Checkpoint.In(folder) is [var newest, ..] && !IsResumed(folder))
        {
            throw new NlftException($"option CheckpointFolder, {folder}", $"{Path.GetFileName(newest)} of an earlier run",
                "a folder without checkpoints",
                "Set ResumeFrom to that folder to resume from there, or name another folder.");
        }
        AtomicFile.TryFolder(folder);
        // A process that is killed while writing leaves its temporary file.
        foreach (var leftOver in Directory.EnumerateFiles(folder, $".{Checkpoint.FileName(0)[..5]}*")) WriteFault.Ignore(() => File.Delete(leftOver));
    }

    /// <summary>The newest checkpoint written or resumed from, or null.</summary>
    public string? Last { get; private set; }

    /// <summary>Finds the checkpoint to resume from and loads its weights; returns null when the run starts from the beginning.</summary>
    /// <exception cref="NlftException">The checkpoint is damaged, or its rows, options or base model differ.</exception>
    public Checkpoint? Resume()
    {
        if (_options.ResumeFrom is not { } place || Checkpoint.Find(place) is not { } found) return null;
        if (_run.Value.DifferencesFrom(found.Checkpoint.Run, _options.ResumeOnAnotherEngine).ToList() is { Count: > 0 } differences)
        {
            throw new NlftException($"checkpoint {found.Path}", $"another run ({string.Join("; ", differences)})",
                "the same base model, engine, options and rows",
                "Give what it was written with, or start anew without ResumeFrom."
                + (_run.Value.IsOnAnotherEngineThan(found.Checkpoint.Run)
                    ? " ResumeOnAnotherEngine resumes all the same, but the result differs from the uninterrupted run's." : ""));
        }
        CheckpointCheck.Require(found.Path, found.Checkpoint, _options);
        _model.Import(ModelState.Weights, found.Checkpoint.ModelWeights);
        _model.Import(ModelState.Optimizer, found.Checkpoint.OptimizerState);
        (Last, _lastStep) = (found.Path, found.Checkpoint.State.Step);
        return found.Checkpoint;
    }

    /// <summary>Writes a checkpoint when it is due.</summary>
    public void AfterStep(RunState state, StepOutcome outcome, bool isLast)
    {
        var due = isLast || (_options.CheckpointSteps > 0 && state.Step % _options.CheckpointSteps == 0)
            || (_options.CheckpointMinutes > 0 && _time.GetElapsedTime(_lastTime).TotalMinutes >= _options.CheckpointMinutes);
        if (due) Save(state);
    }

    /// <summary>Writes a checkpoint because the run ends early; a write error does not hide why the run ends.</summary>
    public void AtStop(RunState state)
    {
        try
        {
            Save(state);
        }
        catch (NlftException)
        {
        }
    }

    private void Save(RunState state)
    {
        if (_options.CheckpointFolder is not { } folder || state.Step == 0 || state.Step == _lastStep) return;
        var path = Path.Combine(folder, Checkpoint.FileName(state.Step));
        var checkpoint = new Checkpoint
        {
            Run = _run.Value,
            State = state,
            TokensScored = _constants.TokensScored,
            KeptContexts = _constants.Export(),
            ModelWeights = _model.Export(ModelState.Weights),
            OptimizerState = _model.Export(ModelState.Optimizer),
        };
        try
        {
            checkpoint.Save(path);
            TrainingTelemetry.Checkpoint(state.Step);
        }
        catch (NlftException e) when (Last is not null)
        {
            throw new NlftException(e.Subject, e.Found, e.Expected, $"{e.Remedy} Then resume with ResumeFrom; the last checkpoint is {Last}.", e);
        }
        (Last, _lastStep, _lastTime) = (path, state.Step, _time.GetTimestamp());
        foreach (var old in Checkpoint.In(folder).Skip(_options.CheckpointsKept)) WriteFault.Ignore(() => File.Delete(old));
    }

    private bool IsResumed(string folder)
    {
        if (_options.ResumeFrom is not { } from) return false;
        var place = Path.GetFullPath(from);
        return Path.GetFullPath(folder) == Path.TrimEndingDirectorySeparator(File.Exists(place) ? Path.GetDirectoryName(place)! : place);
    }
}
