namespace Microsoft.ML.Nlft.Scale;

/// <summary>What connects the processes.</summary>
/// <param name="Name">For tables.</param>
/// <param name="Latency">Seconds from one end to the other.</param>
/// <param name="BytesPerSecond">What a process can send; it can receive as much at the same time.</param>
internal sealed record Link(string Name, double Latency, double BytesPerSecond)
{
    /// <summary>No network: the processes share a machine, and what a message costs there is measured.</summary>
    public static Link OneMachine { get; } = new("one machine", 0, double.PositiveInfinity);

    /// <summary>The links that the predictions are for. The latencies are assumptions: a switch or two of the time.</summary>
    public static IReadOnlyList<Link> Predicted { get; } =
        [Of("1 Gbit/s", 100e-6, 1000), Of("10 Gbit/s", 30e-6, 10_000), Of("100 Gbit/s", 5e-6, 100_000)];

    /// <summary>A connection from home, the same both ways.</summary>
    public static Link Home { get; } = Of("home: 100 Mbit/s, 20 ms", 20e-3, 100);

    /// <summary>A link by its figures.</summary>
    public static Link Of(string name, double latency, double megabits) => new(name, latency, megabits * 1e6 / 8);
}
