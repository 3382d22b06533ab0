using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Microsoft.ML.Nlft.Common;

/// <summary>The source of the library's spans and the meter of its metrics; both do nothing while nobody listens.</summary>
internal static class Telemetry
{
    /// <summary>The name by which programs listen to both.</summary>
    public const string Name = "Microsoft.ML.Nlft";

    /// <summary>Gets the source of spans.</summary>
    public static ActivitySource Source { get; } = new(Name, LibraryVersion.Short);

    /// <summary>Gets the meter.</summary>
    public static Meter Meter { get; } = new(Name, LibraryVersion.Short);

    /// <summary>Marks a span as failed.</summary>
    public static void Fail(Activity? span, Exception error)
    {
        span?.SetTag("error.type", error.GetType().FullName);
        span?.SetStatus(ActivityStatusCode.Error); // without the message, which may quote texts of the rows
    }
}
