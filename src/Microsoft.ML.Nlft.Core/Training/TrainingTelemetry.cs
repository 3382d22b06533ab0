using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Describes a run to whoever listens: a span from start to end with events at evaluations, ends of epochs and checkpoints, and metrics of every
/// step. No text of a row is in any of them.
/// </summary>
internal sealed class TrainingTelemetry
{
    private const string Prefix = "nlft.training.";

    private static readonly Counter<long> s_steps = Telemetry.Meter.CreateCounter<long>(Prefix + "steps", "{step}", "Optimizer steps.");
    private static readonly Counter<long> s_tokens = Telemetry.Meter.CreateCounter<long>(Prefix + "tokens", "{token}", "Tokens trained on.");
    private static readonly Histogram<double> s_duration =
        Telemetry.Meter.CreateHistogram<double>(Prefix + "step.duration", "s", "Time from the end of one step to that of the next.", tags: null,
            new() { HistogramBucketBoundaries = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] });
    private static readonly Gauge<double> s_loss = Gauge("loss", "Loss of the last step.");
    private static readonly Gauge<double> s_norm = Gauge("gradient_norm", "Gradient norm of the last step, before it was clipped.");
    private static readonly Gauge<double> s_rate = Gauge("learning_rate", "Learning rate of the last step.");
    private static readonly Gauge<double> s_validationLoss = Gauge("validation.loss", "Loss of the held-out rows.");
    private static readonly Gauge<double> s_validationAccuracy = Gauge("validation.accuracy", "Share of held-out questions answered right.");

    private readonly KeyValuePair<string, object?>[] _tags;
    private readonly Activity? _span;

    private TrainingTelemetry(RunDescription run)
    {
        _tags = [new(Prefix + "model", run.Model), new(Prefix + "method", run.Method)];
        _span = Telemetry.Source.StartActivity($"train {run.Model}");
        foreach (var (name, value) in _tags) _span?.SetTag(name, value);
        _span?.SetTag(Prefix + "rows", run.Rows).SetTag(Prefix + "validation_rows", run.ValidationRows);
    }

    /// <summary>Starts the span of a run.</summary>
    public static TrainingTelemetry Start(RunDescription run) => new(run);

    /// <summary>Notes in the span of the run that a checkpoint was written.</summary>
    public static void Checkpoint(int step)
    {
        if (Activity.Current is { } span && span.Source == Telemetry.Source) span.AddEvent(Event("checkpoint", (Prefix + "step", step)));
    }

    /// <summary>Reports a step.</summary>
    /// <param name="value">The step.</param>
    /// <param name="last">The step before it; null: it is the first.</param>
    public void Report(TrainingProgress value, TrainingProgress? last)
    {
        s_steps.Add(1, _tags);
        s_tokens.Add(Math.Max(0, value.TokensSeen - (last?.TokensSeen ?? 0)), _tags);
        s_duration.Record(Math.Max(0, (value.Elapsed - (last?.Elapsed ?? TimeSpan.Zero)).TotalSeconds), _tags);
        s_loss.Record(value.Loss, _tags);
        s_norm.Record(value.GradientNorm, _tags);
        s_rate.Record(value.LearningRate, _tags);
        foreach (var report in value.Validation)
        {
            s_validationLoss.Record(report.Loss, _tags);
            if (report.Accuracy is { } accuracy) s_validationAccuracy.Record(accuracy, _tags);
            _span?.AddEvent(Event("validation", (Prefix + "step", report.Step), (Prefix + "validation.loss", report.Loss)));
        }
        if (Math.Floor(value.Epoch) > Math.Floor(last?.Epoch ?? 0))
            _span?.AddEvent(Event("epoch", (Prefix + "step", value.Step), (Prefix + "epoch", (int)value.Epoch), (Prefix + "loss", value.Loss)));
    }

    /// <summary>Ends the span of the run.</summary>
    /// <param name="result">The result; null: the run failed.</param>
    /// <param name="error">Why it failed; null: it did not.</param>
    public void End(FineTuneResult? result, Exception? error)
    {
        if (result is not null)
        {
            _span?.SetTag(Prefix + "steps", result.Steps.Count).SetTag(Prefix + "steps.skipped", result.SkippedSteps)
                .SetTag(Prefix + "steps.resumed", result.ResumedSteps).SetTag(Prefix + "cancelled", result.Cancelled)
                .SetTag(Prefix + "stopped_early", result.StoppedEarly).SetTag(Prefix + "tokens", result.Steps.LastOrDefault()?.TokensSeen ?? 0)
                .SetTag(Prefix + "loss", result.Steps.LastOrDefault()?.Loss);
        }
        if (error is not null) Telemetry.Fail(_span, error);
        _span?.Dispose();
    }

    private static ActivityEvent Event(string name, params ReadOnlySpan<(string Name, object Value)> tags)
    {
        var collection = new ActivityTagsCollection();
        foreach (var (key, value) in tags) collection.Add(key, value);
        return new ActivityEvent(name, tags: collection);
    }

    private static Gauge<double> Gauge(string name, string description) => Telemetry.Meter.CreateGauge<double>(Prefix + name, "1", description);
}
