using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training.Observers;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Runs epochs, windows and steps. Every epoch visits all rows in a new order, in windows of <see cref="FineTuneOptions.BatchSize"/> rows; each
/// window, including the short last one of an epoch, ends with one optimizer step. Between two steps the observers record, evaluate, save and report.
/// </summary>
internal sealed class TrainingLoop
{
    public required FineTuneOptions Options { get; init; }

    public required IReadOnlyList<EncodedExample> Rows { get; init; }

    public required TrainingStep Step { get; init; }

    public required ConstantContexts Contexts { get; init; }

    public required TrainingTeam Team { get; init; }

    public required LearningRateCurve Rates { get; init; }

    public required ProgressMeter Meter { get; init; }

    public required CheckpointObserver Checkpoints { get; init; }

    public required ValidationObserver Validation { get; init; }

    /// <summary>The observers of the run, in the order in which they are called.</summary>
    public required IReadOnlyList<ITrainingObserver> Observers { get; init; }

    /// <summary>The checkpoint from which the run resumes; null: it starts from the beginning.</summary>
    public required Checkpoint? Resumed { get; init; }

    /// <summary>The state of the run.</summary>
    public required RunState State { get; init; }

    /// <summary>Trains to the end or until cancelled.</summary>
    public FineTuneResult Run(CancellationToken cancellationToken)
    {
        var resumedSteps = State.Step;
        try
        {
            SavingAtStop(() => Begin(cancellationToken));
            while (!IsDone)
            {
                SavingAtStop(() => BeginEpoch(cancellationToken));
                foreach (var window in WindowsLeft().TakeWhile(_ => !IsDone)) TakeStep(window, cancellationToken);
            }
            return Result(cancelled: false);
        }
        catch (OperationCanceledException) when (Options.ReturnPartialOnCancel && (cancellationToken.IsCancellationRequested || Team.Cancelled))
        {
            return Result(cancelled: true);
        }
        catch (NlftException e) when (e.NotFinite && Checkpoints.Last is not null)
        {
            throw new NlftException(e.Subject, e.Found, e.Expected, $"{e.Remedy} The last checkpoint is {Checkpoints.Last}.", e);
        }

        FineTuneResult Result(bool cancelled)
        {
            var keptBest = Validation.ReturnBest(State);
            return new(State.Steps, cancelled)
            {
                SkippedSteps = State.Skipped, ResumedSteps = resumedSteps, LastCheckpoint = Checkpoints.Last, Best = Validation.Best,
                KeptBest = keptBest, StoppedEarly = State.StoppedEarly,
            };
        }
    }

    private bool IsDone => State.StoppedEarly || Options.IsEnd(State.Epoch, State.Step);

    private void Begin(CancellationToken cancellationToken)
    {
        if (Resumed is not null)
        {
            Contexts.Import(Resumed.KeptContexts, Resumed.TokensScored);
            Meter.Resume(State.Step, State.Steps is [.., var last] ? last.Elapsed : default);
        }
        else if (Options.Refresh == ContextRefresh.Once)
        {
            Contexts.ScoreAll(Options.RowsPerPass, cancellationToken, Options.Part?.Teacher);
        }
        Observe(cancellationToken);
        Meter.StartSteps(State.TokensTrained + Contexts.TokensScored);
    }

    private void BeginEpoch(CancellationToken cancellationToken)
    {
        if (Options.Refresh == ContextRefresh.EveryEpoch && State.RowsDone == 0) Contexts.ScoreAll(Options.RowsPerPass, cancellationToken);
    }

    /// <summary>Returns the windows of the current epoch that are not done.</summary>
    private IEnumerable<TrainingWindow> WindowsLeft()
    {
        var epoch = State.Epoch;
        var order = RowOrder.OfEpoch(Rows.Count, Options.Shuffle, Options.Seed, epoch);
        return order[State.RowsDone..].Chunk(Options.BatchSize).Select(rows => new TrainingWindow(Rows, rows, epoch, State.Step + 1));
    }

    /// <summary>
    /// Takes one optimizer step. Only <see cref="TrainingStep.Apply"/> changes the weights: if the engine fails there, they belong to no step and
    /// no checkpoint is written. Before and after it, state and weights agree.
    /// </summary>
    private void TakeStep(TrainingWindow window, CancellationToken cancellationToken)
    {
        var gradient = SavingAtStop(() => Step.Accumulate(window, cancellationToken));
        var outcome = Step.Apply(window, gradient, Rates.At((Options.Part?.StepsBefore ?? 0) + State.Step));
        SavingAtStop(() =>
        {
            TrainingStep.RequireFinite(outcome);
            State.Commit(outcome, Rows.Count, Contexts.TokensScored, Meter);
            Observe(cancellationToken);
            if (outcome.Metrics is not null) State.ReportPending();
            foreach (var observer in Observers) observer.AfterStep(State, outcome, IsDone);
            Meter.StartStep();
        });
    }

    /// <summary>Lets the observers add to the next report. Between two epochs all processes get the same weights.</summary>
    private void Observe(CancellationToken cancellationToken)
    {
        if (State is { RowsDone: 0, Step: > 0 }) Step.KeepEqual();
        foreach (var observer in Observers) observer.BeforeReport(State, cancellationToken);
        if (IsDone) State.ReportPending();
    }

    private void SavingAtStop(Action work) => SavingAtStop(() =>
    {
        work();
        return true;
    });

    /// <summary>Runs work during which state and weights agree; if it fails or is cancelled, the observers can save both.</summary>
    private T SavingAtStop<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch
        {
            foreach (var observer in Observers) observer.AtStop(State);
            throw;
        }
    }
}
