namespace Microsoft.ML.Nlft.Training;

/// <summary>Follows a run: its start, every step, its end. All calls come from the training thread, on process 0 of a job.</summary>
/// <example>
/// <code>
/// model.FineTune(rows, objective, monitor: new ConsoleReporter());
/// </code>
/// </example>
public interface ITrainingMonitor
{
    /// <summary>Called when a run begins, before its first step. An exception ends the run.</summary>
    /// <param name="run">The run that is about to start.</param>
    void Begin(RunDescription run)
    {
    }

    /// <summary>Called after every completed step. An exception ends the run; the model then includes that step.</summary>
    /// <param name="value">The step's figures.</param>
    void Report(TrainingProgress value);

    /// <summary>Called when the run has ended.</summary>
    /// <param name="result">The result of the run; null: it failed.</param>
    void End(FineTuneResult? result)
    {
    }
}
