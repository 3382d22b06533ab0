using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Several listeners as one: each is told in turn.</summary>
/// <example>
/// <code>
/// using var live = new LivePage();
/// using var board = new TensorBoardWriter("runs/first");
/// Console.WriteLine(live.Address);
/// model.FineTune(rows, objective, progress: new TrainingMonitors(new ConsoleReporter(), live, board));
/// </code>
/// </example>
public sealed class TrainingMonitors : ITrainingMonitor
{
    private readonly IProgress<TrainingProgress>[] _listeners;

    /// <summary>Joins listeners; they stay the caller's to dispose.</summary>
    public TrainingMonitors(params IProgress<TrainingProgress>[] listeners)
    {
        ArgumentNullException.ThrowIfNull(listeners);
        _listeners = [.. listeners];
    }

    /// <inheritdoc/>
    public void Begin(TrainingRun run)
    {
        foreach (var monitor in _listeners.OfType<ITrainingMonitor>()) monitor.Begin(run);
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        foreach (var listener in _listeners) listener.Report(value);
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result)
    {
        foreach (var monitor in _listeners.OfType<ITrainingMonitor>()) monitor.End(result);
    }
}
