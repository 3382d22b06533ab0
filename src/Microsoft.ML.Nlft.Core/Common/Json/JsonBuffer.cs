namespace Microsoft.ML.Nlft.Common;

/// <summary>Buffers a file while it is read: holds the bytes that are not consumed yet, and grows when one row needs more.</summary>
internal sealed class JsonBuffer
{
    private const int FirstSize = 1 << 16;

    private readonly Stream _stream;
    private readonly string _file;
    private byte[] _bytes = new byte[FirstSize];
    private int _start;
    private int _end;

    /// <summary>Starts reading and skips a byte order mark.</summary>
    /// <exception cref="NlftException">The file is UTF-16.</exception>
    public JsonBuffer(Stream stream, string file)
    {
        (_stream, _file) = (stream, file);
        Extend();
        _start = JsonFile.MarkLength(Bytes, file);
    }

    /// <summary>The bytes that were read and are not consumed yet.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(_start, _end - _start);

    /// <summary>Whether the file ends where <see cref="Bytes"/> ends.</summary>
    public bool IsWhole { get; private set; }

    /// <summary>Consumes bytes from the start of the buffer.</summary>
    public void Take(int count) => _start += count;

    /// <summary>Reads more bytes until the buffer, enlarged if necessary, is full; returns false at the end of the file.</summary>
    /// <exception cref="NlftException">The file cannot be read, or a row is longer than an array can be.</exception>
    public bool Extend()
    {
        if (IsWhole) return false;
        var kept = _end - _start;
        if (kept > _bytes.Length / 2)
        {
            if (Bytes.Contains((byte)0)) throw new NlftException(_file, "a row with a byte 0", "JSON text", "Name a file of rows.");
            if (_bytes.Length > Array.MaxLength / 2) throw new NlftException(_file, "a row of more than 1 GB", "shorter rows", "Shorten the row.");
            var larger = new byte[_bytes.Length * 2];
            Bytes.CopyTo(larger);
            _bytes = larger;
        }
        else
        {
            Bytes.CopyTo(_bytes);
        }
        (_start, _end) = (0, kept);
        try
        {
            _end += _stream.ReadAtLeast(_bytes.AsSpan(_end), _bytes.Length - _end, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NlftException(_file, $"a file that cannot be read ({e.Message})", "a readable file", "Check its permissions.", e);
        }
        IsWhole = _end < _bytes.Length;
        return _end > kept;
    }
}
