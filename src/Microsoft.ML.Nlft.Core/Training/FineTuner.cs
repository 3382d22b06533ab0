using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// The training loop: rows in, optimizer steps out. It knows the engine contract and the objective, and no tensor.
/// </summary>
/// <remarks>
/// Every epoch visits all rows in a new order, in windows of <see cref="FineTuneOptions.BatchSize"/> rows; each window, the short last
/// one of an epoch included, ends with one optimizer step. A window goes through the engine in micro-batches, and its loss is a mean
/// over the whole window, so their size changes nothing beyond rounding. For each micro-batch:
/// <list type="number">
/// <item>the judge and standard contexts that the objective reads as constants are scored in one call (or taken from the cache);</item>
/// <item>the trained contexts (base, and judge if the objective trains it) go forward with dropout on;</item>
/// <item>the objective turns the scores into a loss and coefficients, which go backward.</item>
/// </list>
/// A trained context's scores are those of its own forward pass, so the loss reported is the one differentiated. A run is a function of
/// model, rows, options and seed alone; order and dropout come from hashes of seed, epoch, row and context, never of the batch size.
/// </remarks>
public sealed class FineTuner
{
    private readonly ICausalLanguageModel _model;
    private readonly ITokenObjective _objective;
    private readonly FineTuneOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Creates the loop.</summary>
    /// <param name="model">A model loaded for training; the caller keeps it, and finds it trained after <see cref="Run"/>.</param>
    /// <param name="objective">What is minimised.</param>
    /// <param name="options">The set-up.</param>
    /// <param name="timeProvider">The clock of the progress figures; null: the system's.</param>
    /// <exception cref="NlftException">An option lies outside its range, or nothing of the model can be trained.</exception>
    public FineTuner(ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (model.Trainable == TrainableWeights.None)
            throw new NlftException("the model", "no trainable weights", "LoRA factors or all weights",
                "Load it with Trainable = TrainableWeights.Lora.");
        if (Enum.GetValues<Polarity>().Any(polarity => objective.TrainedContexts(polarity).HasFlag(PromptContexts.Standard)))
            throw new ArgumentException("The standard context is a constant: an objective has no coefficients for it.", nameof(objective));
        (_model, _objective, _options, _time) = (model, objective, options, timeProvider ?? TimeProvider.System);
    }

    /// <summary>What tells the base model apart (<see cref="ModelFolder.WeightFingerprint"/>): a checkpoint of another is refused, and without a name here one that has a name.</summary>
    public string? BaseModel { get; init; }

    /// <summary>What computes (<see cref="IModelEngine.Arithmetic"/>): a checkpoint of another is refused unless <see cref="FineTuneOptions.ResumeOnAnotherEngine"/>. Null: that is not checked.</summary>
    public string? Engine { get; init; }

    /// <summary>
    /// The processes that train this model together: each calls <see cref="Run"/> with the same rows, options and weights, and all end with the same weights, those of
    /// one process but for rounding. Default this process alone.
    /// </summary>
    public Communicator Ranks
    {
        init => Group = value.Size == 1 ? null : new CommunicatorGroup(value);
    }

    internal ITrainingGroup? Group { get; init; }

    /// <summary>Trains on the rows.</summary>
    /// <param name="examples">One or more rows.</param>
    /// <param name="progress">
    /// Told of every step after it is complete. What it throws ends the run and reaches the caller; the model then holds that step.
    /// </param>
    /// <param name="cancellationToken">
    /// Observed between micro-batches and inside the engine. The model keeps the last completed step and no half-accumulated gradient.
    /// </param>
    /// <returns>What every step reported.</returns>
    /// <exception cref="NlftException">
    /// A row does not fit the objective or the model, or a loss or gradient is not finite: the message names the step and the rows, and
    /// the weights are those of the step before.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled, unless <see cref="FineTuneOptions.ReturnPartialOnCancel"/>.</exception>
    public FineTuneResult Run(
        IReadOnlyList<EncodedExample> examples, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default) =>
        RunMade(() => examples, progress, cancellationToken);

    /// <summary>As <see cref="Run"/>; what making the rows throws on one process all throw.</summary>
    internal FineTuneResult RunMade(Func<IReadOnlyList<EncodedExample>> examples, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var team = new TrainingTeam(Group);
        try
        {
            return Train(team, examples, team.Rank == 0 ? progress : null, cancellationToken);
        }
        catch (Exception e)
        {
            team.Leave(e);
            throw;
        }
    }

    private FineTuneResult Train(TrainingTeam team, Func<IReadOnlyList<EncodedExample>> rowsOfRun, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var examples = team.Together(_ =>
        {
            var made = rowsOfRun();
            ExampleCheck.Validate(made, _objective, _model.Configuration);
            return made;
        }, cancellationToken);
        var totalSteps = TotalSteps(examples.Count);
        var learningRate = new LearningRateCurve(_options.Schedule, _options.LearningRate, _options.WarmupRatio, totalSteps);
        var constants = new ConstantContexts(_model, _objective, examples, team);
        var run = new Lazy<RunIdentity>(() => RunIdentity.Of(BaseModel, Engine, _model, _objective, _options, examples));
        var recorder = new EpochRecorder(_model, _objective, examples, _options.RecordedRows, MicroBatchSize);
        var gradient = new WindowGradient(_model, _objective, _options, MicroBatchSize, constants, team, _time);
        var meter = new ProgressMeter(_time, totalSteps);
        var (keeper, resumed) = team.Together(_ =>
        {
            var made = new CheckpointKeeper(team.Rank == 0 ? _options : _options with { CheckpointFolder = null }, _model, run, constants, _time);
            return (made, made.Resume());
        }, cancellationToken);
        var state = resumed?.State ?? new RunState();
        team.RequireSame(run, state.Step, _model);
        var (resumedSteps, whole) = (state.Step, true);
        try
        {
            if (resumed is not null)
            {
                constants.Import(resumed.KeptContexts, resumed.TokensScored);
                meter.Resume(state.Step, state.Steps is [.., var last] ? last.Elapsed : default);
            }
            else
            {
                if (_options.Refresh == ContextRefresh.Once) constants.ScoreAll(MicroBatchSize, cancellationToken);
                state.Pending = team.Together(token => recorder.Record(epoch: 0, token), cancellationToken);
            }
            meter.StartSteps(state.TokensTrained + constants.TokensScored);
            while (state.Epoch < _options.Epochs)
            {
                var epoch = state.Epoch;
                if (_options.Refresh == ContextRefresh.EveryEpoch && state.RowsDone == 0) constants.ScoreAll(MicroBatchSize, cancellationToken);
                foreach (var rows in RowOrder.OfEpoch(examples.Count, _options.Shuffle, _options.Seed, epoch)[state.RowsDone..].Chunk(_options.BatchSize))
                {
                    var window = new TrainingWindow(examples, rows, epoch, state.Step + 1);
                    var rate = learningRate.At(state.Step);
                    var metrics = TryAccumulate(gradient, window, cancellationToken);
                    whole = false; // an exception out of the middle of a step must not leave a checkpoint
                    double? norm = metrics is null ? null : _model.ApplyGradients(_options.Optimizer, rate);
                    if (norm is { } found && !double.IsFinite(found))
                    {
                        whole = true; // the model has left its weights alone
                        RefuseUnlessSkipped(window, found);
                        norm = null;
                    }
                    state.Advance(rows.Length, examples.Count);
                    whole = true;
                    if (norm is null) state.Skipped++;
                    else
                    {
                        state.TokensTrained += metrics!.TokensTrained;
                        var epochsDone = state.RowsDone == 0 ? state.Epoch : state.Epoch + (double)state.RowsDone / examples.Count;
                        state.Steps.Add(meter.Complete(window.Step, epochsDone, metrics, norm.Value, rate, state.TokensTrained + constants.TokensScored) with { SlowProcess = gradient.SlowProcess });
                    }
                    if (state.Epoch > epoch)
                    {
                        whole = false; // a checkpoint that lacked this epoch's record would not be taken up as the same run
                        team.KeepEqual(_model);
                        state.Pending = [.. state.Pending, .. team.Together(token => recorder.Record(state.Epoch, token), cancellationToken)];
                        whole = true;
                    }
                    if (norm is not null || state.Step == totalSteps) HandOverRecorded(state);
                    keeper.AfterStep(state, end: state.Step == totalSteps);
                    if (norm is not null) progress?.Report(state.Steps[^1]);
                    meter.StartStep();
                }
            }

            return Result(cancelled: false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested || team.Cancelled)
        {
            if (whole) keeper.AtStop(state);
            if (!_options.ReturnPartialOnCancel) throw;
            return Result(cancelled: true);
        }
        catch (NlftException e) when (e.NotFinite)
        {
            if (whole) keeper.AtStop(state);
            if (keeper.Last is null) throw;
            throw new NlftException(e.Subject, e.Found, e.Expected, $"{e.Remedy} The last checkpoint is {keeper.Last}.", e);
        }
        catch
        {
            if (whole) keeper.AtStop(state);
            throw;
        }

        FineTuneResult Result(bool cancelled) =>
            new(state.Steps, cancelled) { SkippedSteps = state.Skipped, ResumedSteps = resumedSteps, LastCheckpoint = keeper.Last };
    }

    private static void HandOverRecorded(RunState state)
    {
        if (state.Steps.Count == 0 || state.Pending.Count == 0) return;
        state.Steps[^1] = state.Steps[^1] with { Recorded = [.. state.Steps[^1].Recorded, .. state.Pending] };
        state.Pending = [];
    }

    private int MicroBatchSize => _options.MicroBatchSize == 0 ? _options.BatchSize : _options.MicroBatchSize;

    private int TotalSteps(int rows)
    {
        var steps = (long)_options.Epochs * ((rows - 1) / _options.BatchSize + 1);
        OptionCheck.Require(steps <= int.MaxValue, nameof(_options.Epochs), _options.Epochs, $"at most {int.MaxValue} steps in all, not {steps}",
            "Train for fewer epochs.");
        return (int)steps;
    }

    /// <summary>The gradient of a window; null for a window to be skipped.</summary>
    private WindowMetrics? TryAccumulate(WindowGradient gradient, TrainingWindow window, CancellationToken cancellationToken)
    {
        try
        {
            return gradient.Accumulate(window, cancellationToken);
        }
        catch (NlftException e) when (e.NotFinite && _options.SkipNonFiniteSteps)
        {
            return null;
        }
    }

    private void RefuseUnlessSkipped(TrainingWindow window, double norm)
    {
        if (_options.SkipNonFiniteSteps) return;
        var rows = string.Join("; ", window.Rows.Select(row => window.Examples[row].Source));
        throw new NlftException($"training step {window.Step}, gradient norm of {rows}", ObjectiveInput.Show(norm), "a finite number", window.Remedy) { NotFinite = true };
    }
}

/// <summary>What a run did.</summary>
/// <param name="Steps">One entry per optimizer step, those before a checkpoint included.</param>
/// <param name="Cancelled">Whether the run was cancelled and stopped early.</param>
public sealed record FineTuneResult(IReadOnlyList<TrainingProgress> Steps, bool Cancelled)
{
    /// <summary>Everything that was recorded, by epoch; empty unless <see cref="FineTuneOptions.RecordedRows"/> asked for it.</summary>
    public IReadOnlyList<RecordedEpoch> Recorded => [.. Steps.SelectMany(step => step.Recorded)];

    /// <summary>Steps that were left out because a number was not finite; they have no entry in <see cref="Steps"/>.</summary>
    public int SkippedSteps { get; init; }

    /// <summary>Steps that were done already in the checkpoint that the run went on from; 0: it began at the beginning.</summary>
    public int ResumedSteps { get; init; }

    /// <summary>The newest checkpoint, or null.</summary>
    public string? LastCheckpoint { get; init; }
}
