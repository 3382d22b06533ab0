using System.Threading.Channels;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>A request in progress: the row that is decoded, and the text that waits for the reader.</summary>
internal sealed class ChatJob(DecodingRow row, GenerationTelemetry? telemetry, ToolFormat? tools = null) : IDisposable
{
    private readonly Channel<string> _texts = Channel.CreateUnbounded<string>(new() { SingleReader = true, SingleWriter = true });
    private readonly CancellationTokenSource _readerLeft = new();

    /// <summary>The row.</summary>
    public DecodingRow Row => row;

    /// <summary>The format of the calls that the answer may have; null: it has none.</summary>
    public ToolFormat? Tools => tools;

    /// <summary>Cancelled when the reader has left.</summary>
    public CancellationToken ReaderLeft => _readerLeft.Token;

    /// <summary>Reads the parts of the answer as they become final; ends with the row, or throws the exception of the generation.</summary>
    public IAsyncEnumerable<string> ReadTexts(CancellationToken cancellationToken)
    {
        var texts = _texts.Reader.ReadAllAsync(cancellationToken);
        return telemetry is null ? texts : telemetry.Measure(texts, row.Result);
    }

    /// <summary>Passes on the text that has become final.</summary>
    public void Publish()
    {
        var text = row.TakeText();
        if (text.Length > 0) _texts.Writer.TryWrite(text);
        if (row.Ended) _texts.Writer.TryComplete();
    }

    /// <summary>Ends the job with an exception unless it has ended.</summary>
    public void Fail(Exception failure) => _texts.Writer.TryComplete(failure);

    /// <summary>Ends the job for its reader; an unfinished row is decoded no further.</summary>
    public void Dispose()
    {
        row.Abandoned = true;
        _readerLeft.Cancel();
    }
}
