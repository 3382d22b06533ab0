namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Receives reports on the thread that makes them.</summary>
/// <param name="report">Receives each.</param>
public sealed class Listener<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
