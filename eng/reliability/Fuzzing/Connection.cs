namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>A connection in memory: the request can be read, and the client leaves after head and beginning of the answer were written.</summary>
internal sealed class Connection(byte[] request) : Stream
{
    private const int MostWrites = 2;

    private readonly MemoryStream _request = new(request), _written = new();
    private readonly CancellationTokenSource _closed = new();
    private int _writes;

    /// <summary>Gets what was written.</summary>
    public byte[] Written => _written.ToArray();

    /// <summary>Is cancelled when the client leaves.</summary>
    public CancellationToken Closed => _closed.Token;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => _request.Read(buffer, offset, count);

    public override void Write(byte[] buffer, int offset, int count)
    {
        _written.Write(buffer, offset, count);
        if (++_writes == MostWrites) _closed.Cancel();
    }

    // At once, on the caller's thread: an input's edges are those of one thread.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(_request.Read(buffer.Span));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.ToArray(), 0, buffer.Length);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) _closed.Dispose();
        base.Dispose(disposing);
    }
}
