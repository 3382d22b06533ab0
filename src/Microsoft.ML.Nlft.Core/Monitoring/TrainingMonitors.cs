using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Combines several monitors into one and calls them in order.</summary>
/// <example>
/// <code>
/// using var live = new LivePage();
/// using var board = new TensorBoardWriter("runs/first");
/// Console.WriteLine(live.Address);
/// model.FineTune(rows, objective, monitor: new TrainingMonitors(new ConsoleReporter(), live, board));
/// </code>
/// </example>
public sealed class TrainingMonitors : ITrainingMonitor
{
    private readonly ITrainingMonitor[] _monitors;

    /// <summary>Combines monitors; the caller still disposes them.</summary>
    /// <param name="monitors">The monitors, in the order in which they are called.</param>
    public TrainingMonitors(params ITrainingMonitor[] monitors)
    {
        ArgumentNullException.ThrowIfNull(monitors);
        _monitors = [.. monitors];
    }

    /// <inheritdoc/>
    public void Begin(RunDescription run)
    {
        foreach (var monitor in _monitors) monitor.Begin(run);
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        foreach (var monitor in _monitors) monitor.Report(value);
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result)
    {
        foreach (var monitor in _monitors) monitor.End(result);
    }
}
