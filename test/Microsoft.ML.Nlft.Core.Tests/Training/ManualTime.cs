namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>A clock that stands still until it is moved.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _ticks;

    public void Advance(double seconds) => _ticks += (long)(seconds * TimestampFrequency);

    public override long GetTimestamp() => _ticks;
}
