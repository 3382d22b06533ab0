using System.Text.Json;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Everything a run has said, as JSON, in order; readers that come late read from the beginning, then wait for more.</summary>
internal sealed class LiveFeed
{
    private readonly Lock _lock = new();
    private readonly List<string> _messages = [];
    private bool _closed;
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Adds a message: a kind and an object.</summary>
    public void Add(string kind, object message)
    {
        var text = JsonSerializer.Serialize(new Dictionary<string, object> { [kind] = message });
        Wake(() => _messages.Add(text));
    }

    /// <summary>Nothing will follow.</summary>
    public void Close() => Wake(() => _closed = true);

    /// <summary>The messages from one on, a task that ends when there are more than these, and whether there will be none.</summary>
    public (IReadOnlyList<string> Messages, Task More, bool Closed) From(int index)
    {
        lock (_lock) return (_messages[Math.Min(index, _messages.Count)..], _more.Task, _closed);
    }

    private void Wake(Action change)
    {
        TaskCompletionSource waiting;
        lock (_lock)
        {
            change();
            (waiting, _more) = (_more, new(TaskCreationOptions.RunContinuationsAsynchronously));
        }
        waiting.SetResult();
    }
}
