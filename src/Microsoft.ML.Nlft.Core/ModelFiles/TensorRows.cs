namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Reads the rows of a stored matrix as float32, several at a time, so that the whole matrix is never in memory.</summary>
internal sealed class TensorRows
{
    private const int BufferSize = 1 << 18;

    private readonly StoredTensor _tensor;
    private readonly byte[] _buffer;
    private readonly int _rowSize;
    private long _begin, _end;

    public TensorRows(StoredTensor tensor, int columns)
    {
        (_tensor, _rowSize) = (tensor, columns * tensor.Type.ByteSize());
        _buffer = new byte[Math.Max(1, BufferSize / _rowSize) * _rowSize];
    }

    /// <summary>The type that holds the elements without loss: that of the file, or F32 for a quantised one.</summary>
    public TensorType Type => _tensor.Type;

    /// <summary>How the elements are quantised in the file; null if they are not.</summary>
    public BlockFormat? Blocks => _tensor.Blocks;

    /// <summary>Reads one row in blocks.</summary>
    public void ReadBlocks(int row, BlockRow target) => _tensor.ReadBlocks(row, target);

    /// <summary>Reads one row.</summary>
    /// <exception cref="NlftException">The file cannot be read, or has been written to since it was opened.</exception>
    public void Read(int row, Span<float> destination) => TensorConversion.ToSingle(_tensor.Type, Bytes(row), destination);

    /// <summary>Returns one row as elements of <see cref="Type"/>, until the next row is read.</summary>
    /// <exception cref="NlftException">As for <see cref="Read"/>.</exception>
    public ReadOnlySpan<byte> Bytes(int row)
    {
        var begin = (long)row * _rowSize;
        if (begin < _begin || begin >= _end)
        {
            var length = (int)Math.Min(_buffer.Length, _tensor.Length - begin);
            _tensor.Read(begin, _buffer.AsSpan(0, length));
            (_begin, _end) = (begin, begin + length);
        }
        return _buffer.AsSpan((int)(begin - _begin), _rowSize);
    }
}
