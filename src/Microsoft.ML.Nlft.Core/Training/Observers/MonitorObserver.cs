namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>Passes a run's events on to the caller's progress and monitor, if any, and to telemetry.</summary>
/// <param name="progress">Receives every step; null: none.</param>
/// <param name="monitor">Follows the run; null: none.</param>
/// <param name="reports">Whether this process reports.</param>
internal sealed class MonitorObserver(IProgress<TrainingProgress>? progress, ITrainingMonitor? monitor, bool reports) : ITrainingObserver
{
    private TrainingTelemetry? _telemetry;

    /// <summary>Tells the monitor that the run begins, trains, and tells it how the run ended.</summary>
    public FineTuneResult Follow(RunDescription description, TrainingTeam team, Func<FineTuneResult> train, CancellationToken cancellationToken)
    {
        FineTuneResult? result = null;
        Exception? failure = null;
        _telemetry = reports ? TrainingTelemetry.Start(description) : null;
        try
        {
            team.RunOnAll(_ => Begin(description), cancellationToken);
            return result = train();
        }
        catch (Exception error)
        {
            failure = error;
            throw;
        }
        finally
        {
            _telemetry?.End(result, failure);
            if (reports) monitor?.End(result);
        }
    }

    private bool Begin(RunDescription description)
    {
        if (reports) monitor?.Begin(description);
        return reports;
    }

    public void AfterStep(RunState state, StepOutcome outcome, bool isLast)
    {
        if (outcome.Metrics is null || !reports) return;
        _telemetry?.Report(state.Steps[^1], state.Steps.Count > 1 ? state.Steps[^2] : null);
        progress?.Report(state.Steps[^1]);
        monitor?.Report(state.Steps[^1]);
    }
}
