using System.Threading.Channels;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>One request on its way: the row that grows, and the texts that wait for their reader.</summary>
internal sealed class ChatJob(DecodingRow row) : IDisposable
{
    private readonly Channel<string> _texts = Channel.CreateUnbounded<string>(new() { SingleReader = true, SingleWriter = true });
    private readonly CancellationTokenSource _left = new();

    /// <summary>The row.</summary>
    public DecodingRow Row => row;

    /// <summary>Cancelled when the reader has gone.</summary>
    public CancellationToken Left => _left.Token;

    /// <summary>The answer's texts as they become certain; ends when the row has ended, or fails as the generation did.</summary>
    public IAsyncEnumerable<string> ReadTexts(CancellationToken cancellationToken) => _texts.Reader.ReadAllAsync(cancellationToken);

    /// <summary>Passes on what has become certain.</summary>
    public void Publish()
    {
        var text = row.TakeText();
        if (text.Length > 0) _texts.Writer.TryWrite(text);
        if (row.Ended) _texts.Writer.TryComplete();
    }

    /// <summary>Ends the job with a failure, unless it has ended.</summary>
    public void Fail(Exception failure) => _texts.Writer.TryComplete(failure);

    /// <summary>The reader goes: an unfinished row grows no further.</summary>
    public void Dispose()
    {
        row.Abandoned = true;
        _left.Cancel();
    }
}
