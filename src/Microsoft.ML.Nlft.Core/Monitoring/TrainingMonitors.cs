using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Several monitors as one: each hears of everything, one after the other.</summary>
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

    /// <summary>Joins monitors; they stay the caller's to dispose.</summary>
    /// <param name="monitors">In the order in which they hear of the run.</param>
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
