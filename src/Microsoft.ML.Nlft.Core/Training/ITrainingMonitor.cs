namespace Microsoft.ML.Nlft.Training;

/// <summary>Follows a run: its beginning, every step, its end. All calls come on the thread that trains, on process 0 of a job.</summary>
/// <example>
/// <code>
/// model.FineTune(rows, objective, monitor: new ConsoleReporter());
/// </code>
/// </example>
public interface ITrainingMonitor
{
    /// <summary>Hears that a run begins, before its first step. An exception ends the run.</summary>
    /// <param name="run">What is about to be trained.</param>
    void Begin(RunDescription run)
    {
    }

    /// <summary>Hears of a step after it is complete. An exception ends the run; the model then holds that step.</summary>
    /// <param name="value">The step's figures.</param>
    void Report(TrainingProgress value);

    /// <summary>Hears that the run is over.</summary>
    /// <param name="result">What the run did; null: it failed.</param>
    void End(FineTuneResult? result)
    {
    }
}
