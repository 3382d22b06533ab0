namespace Microsoft.ML.Nlft.Models;

/// <summary>
/// Reads the rows of a stored matrix as float32 through a buffer of its own: a mapped file's pages count as the process's memory once they are
/// read, these do not.
/// </summary>
internal sealed class TensorRows : IDisposable
{
    private const int BufferSize = 1 << 18;

    private readonly FileStream _stream;
    private readonly TensorType _type;
    private readonly long _start;
    private readonly string _place;
    private readonly byte[] _row;

    public TensorRows(string path, string name, TensorType type, long start, int columns)
    {
        (_type, _start, _place, _row) = (type, start, $"{path}, tensor \"{name}\"", new byte[columns * type.ByteSize()]);
        _stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, BufferSize, FileOptions.SequentialScan);
    }

    /// <summary>Reads one row.</summary>
    /// <exception cref="NlftException">The file has become shorter since it was opened.</exception>
    public void Read(int row, Span<float> destination)
    {
        var position = _start + (long)row * _row.Length;
        if (_stream.Position != position) _stream.Position = position;
        try
        {
            _stream.ReadExactly(_row);
        }
        catch (EndOfStreamException exception)
        {
            throw new NlftException(_place, $"a file that ends within row {row}", "the whole tensor", "Do not change the model's files while it is loaded.", exception);
        }
        TensorConversion.ToSingle(_type, _row, destination);
    }

    public void Dispose() => _stream.Dispose();
}
