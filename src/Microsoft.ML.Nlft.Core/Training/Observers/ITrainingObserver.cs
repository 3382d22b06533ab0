namespace Microsoft.ML.Nlft.Training.Observers;

/// <summary>Follows a run from inside: what it hears of is complete, and the model stands as the state says. An exception ends the run.</summary>
internal interface ITrainingObserver
{
    /// <summary>The weights rest between two epochs: before the first step, after the last step of an epoch, and where a run resumes.</summary>
    void BetweenEpochs(RunState state, CancellationToken cancellationToken)
    {
    }

    /// <summary>A step is complete.</summary>
    /// <param name="state">The run after it.</param>
    /// <param name="outcome">What it did.</param>
    /// <param name="isLast">Whether it was the last of the run.</param>
    void AfterStep(RunState state, StepOutcome outcome, bool isLast)
    {
    }

    /// <summary>The run ends early, with an exception or by cancellation.</summary>
    void AtStop(RunState state)
    {
    }
}
