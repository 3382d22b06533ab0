using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads the header of a GGUF file from its start, value by value. No length or count is believed before the rest of the file allows it.
/// </summary>
internal sealed class GgufCursor(StoredFile file)
{
    private const string Damaged = "The file is damaged or incomplete: download or export it again.";
    private const int BufferSize = 1 << 16;

    private readonly byte[] _buffer = new byte[BufferSize];
    private long _bufferStart;
    private int _bufferLength;

    /// <summary>Bytes read so far.</summary>
    public long Position { get; private set; }

    /// <summary>Bytes of the file that are left.</summary>
    public long Left => file.Length - Position;

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4, what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8, what));

    /// <summary>Reads a count of things that take at least a number of bytes each.</summary>
    public int Count(string what, int smallest)
    {
        var count = UInt64(what);
        var most = Math.Min(Left / smallest, Array.MaxLength);
        return count <= (ulong)most ? (int)count
            : throw Fault(what, $"a count of {count} before the last {Left} bytes", $"at most {most}, which is what they can hold");
    }

    /// <summary>Reads a text: its length in bytes, then UTF-8.</summary>
    public string Text(string what)
    {
        var bytes = Bytes(Count(what, 1), what);
        return Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : throw Fault(what, "bytes that are not UTF-8", "UTF-8 text");
    }

    /// <summary>Reads bytes; they are valid until the next read.</summary>
    public ReadOnlySpan<byte> Bytes(int length, string what)
    {
        if (length > BufferSize) return Copy(length, what);
        Require(length, what);
        var at = (int)(Position - _bufferStart);
        if (at + length > _bufferLength)
        {
            (_bufferStart, _bufferLength, at) = (Position, (int)Math.Min(BufferSize, Left), 0);
            file.Read(_bufferStart, _buffer.AsSpan(0, _bufferLength), file.Path);
        }
        Position += length;
        return _buffer.AsSpan(at, length);
    }

    /// <summary>Reads bytes into an array of their own.</summary>
    public byte[] Copy(int length, string what)
    {
        Require(length, what);
        var bytes = new byte[length];
        file.Read(Position, bytes, file.Path);
        Position += length;
        if (Position > _bufferStart + _bufferLength) (_bufferStart, _bufferLength) = (Position, 0);
        return bytes;
    }

    /// <summary>Creates the exception for a part of the header.</summary>
    public NlftException Fault(string what, string found, string expected, string remedy = Damaged) =>
        new($"{file.Path}, {what}", found, expected, remedy);

    private void Require(int length, string what)
    {
        if (length > Left) throw Fault(what, $"the end of the file after {Left} of its bytes", $"{length} bytes");
    }
}
