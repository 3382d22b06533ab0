using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>UseOpenTelemetry of Microsoft.Extensions.AI around this library's client: every request is described once.</summary>
[TestClass]
[DoNotParallelize]
public sealed class MiddlewareTests
{
    [TestMethod]
    public async Task GetResponse_UseOpenTelemetry_CountsOnce()
    {
        using var folder = new ByteModelFolder();
        var (spans, measured) = (new List<Activity>(), new List<(string Meter, string Name)>());
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is "Microsoft.ML.Nlft" or "tried",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (spans) if (span.DisplayName.EndsWith(folder.Name, StringComparison.Ordinal)) spans.Add(span);
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var meters = new MeterListener
        {
            InstrumentPublished = (instrument, meter) =>
            {
                if (instrument.Meter.Name is "Microsoft.ML.Nlft" or "tried") meter.EnableMeasurementEvents(instrument);
            },
        };
        meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Add(instrument, tags));
        meters.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Add(instrument, tags));
        meters.SetMeasurementEventCallback<int>((instrument, _, tags, _) => Add(instrument, tags));
        meters.Start();
        using var client = new ChatClientBuilder(NlftModel.LoadChatClient(folder.Path, new() { Generation = new() { MaximumNewTokens = 5 } }))
            .UseOpenTelemetry(sourceName: "tried").Build();

        await client.GetResponseAsync("1+2?");

        Assert.AreEqual("tried", spans.Single().Source.Name);
        Assert.AreEqual(("nlft", folder.Name), (spans[0].GetTagItem("gen_ai.provider.name"), spans[0].GetTagItem("gen_ai.request.model")));
        Assert.IsTrue(measured.Where(one => one.Name.StartsWith("gen_ai.client.", StringComparison.Ordinal)).All(one => one.Meter == "tried"));
        CollectionAssert.Contains(measured, ("tried", "gen_ai.client.operation.duration"));
        CollectionAssert.Contains(measured, ("Microsoft.ML.Nlft", "gen_ai.server.time_to_first_token"));

        void Add(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (measured) if (tags.ToArray().Any(tag => tag.Value as string == folder.Name)) measured.Add((instrument.Meter.Name, instrument.Name));
        }
    }
}
