namespace Microsoft.ML.Nlft.Training;

/// <summary>What an optimizer step did; <see cref="RunState.Commit"/> takes it over.</summary>
/// <param name="Window">The step's rows.</param>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="Metrics">What was counted; null: the step was skipped, and the weights are those before it.</param>
/// <param name="GradientNorm">Global norm of the gradients before clipping.</param>
/// <param name="SlowProcess">The process that keeps the others waiting, in words; null: none does.</param>
internal sealed record StepOutcome(TrainingWindow Window, double LearningRate, WindowMetrics? Metrics, double GradientNorm, string? SlowProcess);
