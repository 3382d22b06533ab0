using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

/// <summary>Listens to the library's spans and metrics of one model.</summary>
internal sealed class TelemetryRecorder : IDisposable
{
    private const string Name = "Microsoft.ML.Nlft";

    private readonly ActivityListener _spans;
    private readonly MeterListener _meter = new();
    private readonly Lock _lock = new();
    private readonly string _model;

    /// <param name="model">The model's name; what others do meanwhile is left out.</param>
    /// <param name="spans">Whether to listen to spans.</param>
    public TelemetryRecorder(string model, bool spans = true)
    {
        _model = model;
        _spans = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (_lock) if (span.TagObjects.Any(tag => tag.Value as string == model)) Spans.Add(span);
            },
        };
        if (spans) ActivitySource.AddActivityListener(_spans);
        _meter.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == Name) listener.EnableMeasurementEvents(instrument);
        };
        _meter.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _meter.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _meter.Start();
    }

    /// <summary>Gets the spans that have ended, in the order of their ends.</summary>
    public List<Activity> Spans { get; } = [];

    /// <summary>Gets the measurements, in order.</summary>
    public List<(string Name, string? Unit, double Value, Dictionary<string, object?> Tags)> Measurements { get; } = [];

    /// <summary>Returns the values of an instrument, which must have the unit.</summary>
    public double[] Values(string name, string unit)
    {
        var found = Measurements.Where(measurement => measurement.Name == name).ToList();
        Assert.IsTrue(found.TrueForAll(measurement => measurement.Unit == unit), $"the unit of {name}");
        return [.. found.Select(measurement => measurement.Value)];
    }

    public void Dispose()
    {
        _spans.Dispose();
        _meter.Dispose();
    }

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var named = tags.ToArray().ToDictionary();
        lock (_lock) if (named.ContainsValue(_model)) Measurements.Add((instrument.Name, instrument.Unit, value, named));
    }
}
