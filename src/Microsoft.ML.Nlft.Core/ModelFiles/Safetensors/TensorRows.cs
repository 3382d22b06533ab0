namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Reads the rows of a stored matrix as float32, several at a time, so that the whole matrix is never in memory.</summary>
internal sealed class TensorRows
{
    private const int BufferSize = 1 << 18;

    private readonly SafetensorsFile _file;
    private readonly SafetensorsEntry _entry;
    private readonly byte[] _buffer;
    private readonly int _rowSize;
    private long _begin, _end;

    public TensorRows(SafetensorsFile file, SafetensorsEntry entry, int columns)
    {
        (_file, _entry, _rowSize) = (file, entry, columns * entry.Type.ByteSize());
        _buffer = new byte[Math.Max(1, BufferSize / _rowSize) * _rowSize];
    }

    /// <summary>The type of the elements in the file.</summary>
    public TensorType Type => _entry.Type;

    /// <summary>Reads one row.</summary>
    /// <exception cref="NlftException">The file cannot be read, or has been written to since it was opened.</exception>
    public void Read(int row, Span<float> destination) => TensorConversion.ToSingle(_entry.Type, Bytes(row), destination);

    /// <summary>Returns one row as it is stored, until the next row is read.</summary>
    /// <exception cref="NlftException">As for <see cref="Read"/>.</exception>
    public ReadOnlySpan<byte> Bytes(int row)
    {
        var begin = (long)row * _rowSize;
        if (begin < _begin || begin >= _end)
        {
            var length = (int)Math.Min(_buffer.Length, _entry.End - _entry.Begin - begin);
            _file.Read(_entry, begin, _buffer.AsSpan(0, length));
            (_begin, _end) = (begin, begin + length);
        }
        return _buffer.AsSpan((int)(begin - _begin), _rowSize);
    }
}
