using System.Text.Json.Nodes;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Keeps the messages of a run as JSON, in order. A late reader starts at the first message, then waits for more.</summary>
internal sealed class LiveFeed
{
    private readonly Lock _lock = new();
    private readonly List<string> _messages = [];
    private bool _closed;
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Adds a message with a kind and a body.</summary>
    public void Add(string kind, JsonObject message)
    {
        var text = new JsonObject { [kind] = message }.ToJsonString();
        Wake(() => _messages.Add(text));
    }

    /// <summary>Ends the feed: no message follows.</summary>
    public void Close() => Wake(() => _closed = true);

    /// <summary>Returns the messages from an index on, a task that completes when more follow, and whether the feed has ended.</summary>
    public (IReadOnlyList<string> Messages, Task More, bool Closed) From(int index)
    {
        lock (_lock) return (_messages[Math.Clamp(index, 0, _messages.Count)..], _more.Task, _closed);
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
