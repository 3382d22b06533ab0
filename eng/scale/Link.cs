namespace Microsoft.ML.Nlft.Scale;

/// <summary>The network between the processes.</summary>
/// <param name="Name">The name in tables.</param>
/// <param name="Latency">The latency in one direction, in seconds.</param>
/// <param name="BytesPerSecond">The rate of each direction, full duplex.</param>
internal sealed record Link(string Name, double Latency, double BytesPerSecond)
{
    /// <summary>No network: the processes share a machine.</summary>
    public static Link OneMachine { get; } = new("one machine", 0, double.PositiveInfinity);

    /// <summary>The links of the predictions. The latencies are assumptions: one or two current switches.</summary>
    public static IReadOnlyList<Link> Predicted { get; } =
        [Of("1 Gbit/s", 100e-6, 1000), Of("10 Gbit/s", 30e-6, 10_000), Of("100 Gbit/s", 5e-6, 100_000)];

    /// <summary>A symmetric home connection.</summary>
    public static Link Home { get; } = Of("home: 100 Mbit/s, 20 ms", 20e-3, 100);

    /// <summary>Creates a link.</summary>
    public static Link Of(string name, double latency, double megabits) => new(name, latency, megabits * 1e6 / 8);
}
