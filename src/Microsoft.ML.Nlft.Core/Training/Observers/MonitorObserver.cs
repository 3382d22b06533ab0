namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>Passes a run's events on to the caller's progress and monitor, if any.</summary>
internal sealed class MonitorObserver(IProgress<TrainingProgress>? progress, ITrainingMonitor? monitor) : ITrainingObserver
{
    /// <summary>Tells the monitor that the run begins, trains, and tells it how the run ended.</summary>
    public FineTuneResult Follow(RunDescription description, TrainingTeam team, Func<FineTuneResult> train, CancellationToken cancellationToken)
    {
        FineTuneResult? result = null;
        try
        {
            team.RunOnAll(_ => Begin(description), cancellationToken);
            return result = train();
        }
        finally
        {
            monitor?.End(result);
        }
    }

    private bool Begin(RunDescription description)
    {
        monitor?.Begin(description);
        return monitor is not null;
    }

    public void AfterStep(RunState state, StepOutcome outcome, bool isLast)
    {
        if (outcome.Metrics is null) return;
        progress?.Report(state.Steps[^1]);
        monitor?.Report(state.Steps[^1]);
    }
}
