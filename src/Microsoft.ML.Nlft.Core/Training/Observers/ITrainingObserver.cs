namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>Follows a run internally: every event it receives is complete, and the model matches the state. An exception ends the run.</summary>
internal interface ITrainingObserver
{
    /// <summary>Called before the first step, after every step before it is reported, and when a run resumes.</summary>
    void BeforeReport(RunState state, CancellationToken cancellationToken)
    {
    }

    /// <summary>Called when a step is complete.</summary>
    /// <param name="state">The run after the step.</param>
    /// <param name="outcome">The outcome of the step.</param>
    /// <param name="isLast">Whether it was the last of the run.</param>
    void AfterStep(RunState state, StepOutcome outcome, bool isLast)
    {
    }

    /// <summary>Called when the run ends early, by an exception or cancellation.</summary>
    void AtStop(RunState state)
    {
    }
}
