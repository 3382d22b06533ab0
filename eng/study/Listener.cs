namespace Microsoft.ML.Nlft.Study;

/// <summary>Receives reports on the thread that trains.</summary>
internal sealed class Listener<T>(Action<T> told) : IProgress<T>
{
    public void Report(T value) => told(value);
}
