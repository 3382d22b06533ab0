using Microsoft.ML.Nlft.Common;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads a safetensors file. Opening reads and checks the header; the bytes of a tensor are read into this process's memory on first access. The
/// file is not memory-mapped: a program that shortens a mapped file would crash this process, and one that writes to it would change the weights in
/// use. Bytes that were read stay valid, even after <see cref="Dispose"/>; a file that was modified after it was opened is refused.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly Dictionary<string, SafetensorsEntry> _entries;
    private readonly SafetensorsHeader _header;
    private readonly SafeFileHandle _handle;
    private readonly DateTime _written;

    private SafetensorsFile(string path, SafeFileHandle handle)
    {
        (Path, _handle) = (path, handle);
        _written = File.GetLastWriteTimeUtc(handle);
        _header = SafetensorsHeader.Read(handle, path);
        _entries = _header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        Length = RandomAccess.GetLength(handle);
    }

    /// <summary>Opens a file and checks its header against every rule of the format.</summary>
    /// <exception cref="NlftException">There is no such file, or it breaks a rule.</exception>
    public static SafetensorsFile Open(string path)
    {
        var handle = InputFile.OpenHandle(path, "a readable safetensors file");
        try
        {
            return new SafetensorsFile(path, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The path of the file.</summary>
    public string Path { get; }

    /// <summary>Size of the file in bytes.</summary>
    public long Length { get; }

    /// <summary>The bytes of the header.</summary>
    public ReadOnlyMemory<byte> HeaderJson => _header.Json;

    /// <summary>The texts under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries => _header.Entries;

    /// <summary>Returns the header's entry of a tensor.</summary>
    public SafetensorsEntry Entry(string name) => _entries.TryGetValue(name, out var entry) ? entry
        : throw new NlftException($"{Path}, tensor \"{name}\"", "no such tensor", $"one of the file's {_entries.Count} tensors",
            "Check that the file belongs to the model.");

    /// <summary>Returns a tensor; its bytes are read on first access.</summary>
    /// <exception cref="NlftException">There is none of that name, or it is larger than one block of memory can be.</exception>
    public TensorData Tensor(string name)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        var entry = Entry(name);
        var length = entry.End - entry.Begin;
        if (length > Array.MaxLength)
        {
            throw new NlftException($"{Path}, tensor \"{name}\"", $"{length} bytes", $"at most {Array.MaxLength}",
                "Store the tensor in a 16-bit type, or use a smaller model.");
        }
        return new TensorData(name, entry.Type, entry.Shape, length == 0 ? default : new StoredBytes(this, entry, (int)length).Memory);
    }

    /// <summary>Creates a reader of the rows of a matrix.</summary>
    public TensorRows ReadRows(string name, int columns) => new(this, Entry(name), columns);

    /// <summary>Reads bytes of a tensor.</summary>
    /// <param name="entry">The tensor.</param>
    /// <param name="offset">Where in the tensor to begin.</param>
    /// <param name="bytes">Filled.</param>
    /// <exception cref="NlftException">The file cannot be read, or has been written to since it was opened.</exception>
    public void Read(SafetensorsEntry entry, long offset, Span<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        var position = _header.DataOffset + entry.Begin + offset;
        try
        {
            while (bytes.Length > 0)
            {
                var read = RandomAccess.Read(_handle, bytes, position);
                if (read == 0)
                    throw Changed(entry, $"a file that was shortened from {Length} to {RandomAccess.GetLength(_handle)} bytes after it was opened");
                position += read;
                bytes = bytes[read..];
            }
        }
        catch (IOException exception)
        {
            throw Changed(entry, $"a file that cannot be read any more ({exception.Message})", exception);
        }
        if (File.GetLastWriteTimeUtc(_handle) != _written) throw Changed(entry, "a file that was written to after it was opened");
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private NlftException Changed(SafetensorsEntry entry, string found, Exception? inner = null) =>
        new($"{Path}, tensor \"{entry.Name}\"", found, "the file as it was when it was opened", "Open it again once nothing else writes to it.",
            inner);
}
