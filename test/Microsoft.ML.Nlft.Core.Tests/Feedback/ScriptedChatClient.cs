using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tests.Feedback;

/// <summary>A chat client whose answers are written by the test: called with the number of the call, from 1, and the user's text.</summary>
internal sealed class ScriptedChatClient(Func<int, string, CancellationToken, Task<ChatResponse>> script) : IChatClient
{
    private readonly Lock _lock = new();
    private int _calls, _now;

    public ScriptedChatClient(Func<int, string, string> script) : this((call, text, _) => Task.FromResult(Reply(script(call, text))))
    {
    }

    public int Calls => _calls;

    /// <summary>Most calls that were under way at the same time.</summary>
    public int Most { get; private set; }

    public ChatOptions? LastOptions { get; private set; }

    public static ChatResponse Reply(string text, ChatFinishReason? reason = null) =>
        new(new ChatMessage(ChatRole.Assistant, text)) { FinishReason = reason ?? ChatFinishReason.Stop };

    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        int call;
        lock (_lock) (call, Most, LastOptions) = (++_calls, Math.Max(Most, ++_now), options);
        try
        {
            return await script(call, messages.Last().Text, cancellationToken);
        }
        finally
        {
            lock (_lock) _now--;
        }
    }

    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException();

    public object? GetService(Type serviceType, object? serviceKey = null) => null;

    public void Dispose()
    {
    }
}

/// <summary>A clock whose timers fire at once, in the order in which they were created; it records the waits.</summary>
internal sealed class HurriedTime : TimeProvider
{
    public List<TimeSpan> Waits { get; } = [];

    /// <summary>Longer waits never end: they are time-outs that are not due.</summary>
    public TimeSpan Longest { get; init; } = TimeSpan.FromMinutes(2);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        if (dueTime > Longest || dueTime < TimeSpan.Zero)
            return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        lock (Waits) Waits.Add(dueTime);
        return System.CreateTimer(callback, state, TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
    }
}
