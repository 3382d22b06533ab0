namespace Microsoft.ML.Nlft.Training;

/// <summary>The outcome of an optimizer step, which <see cref="RunState.Commit"/> applies.</summary>
/// <param name="Window">The step's rows.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="Metrics">The counts; null: the step was skipped, and the weights are unchanged.</param>
/// <param name="GradientNorm">Global norm of the gradients before clipping.</param>
/// <param name="SlowProcess">Describes the process that the others wait for; null: none.</param>
internal sealed record StepOutcome(TrainingWindow Window, double LearningRate, WindowMetrics? Metrics, double GradientNorm, string? SlowProcess);
