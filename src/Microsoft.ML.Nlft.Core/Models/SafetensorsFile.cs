using System.Buffers;
using System.IO.MemoryMappedFiles;

namespace Microsoft.ML.Nlft.Models;

/// <summary>
/// A safetensors file, memory-mapped: opening reads the header only, tensors are views of the mapping. Memory taken from a tensor
/// after <see cref="Dispose"/> throws <see cref="ObjectDisposedException"/>; a span taken before must not be used after it, pinned memory may.
/// </summary>
internal sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly Dictionary<string, SafetensorsEntry> _entries;
    private readonly SafetensorsHeader _header;
    private readonly MemoryMappedFile _mapping;
    private readonly MemoryMappedViewAccessor _view;
    private byte* _data;

    private SafetensorsFile(string path, FileStream stream)
    {
        Path = path;
        _header = SafetensorsHeader.Read(stream.SafeFileHandle, path);
        _entries = _header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
        Length = stream.Length;
        _mapping = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
        _view = _mapping.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _data);
        _data += _view.PointerOffset + _header.DataOffset;
    }

    /// <summary>Opens a file and checks its header against every rule of the format.</summary>
    /// <exception cref="NlftException">There is no such file, or it breaks a rule.</exception>
    public static SafetensorsFile Open(string path)
    {
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var found = exception is FileNotFoundException or DirectoryNotFoundException ? "no such file"
                : $"a file that cannot be opened ({exception.Message})";
            throw new NlftException(path, found, "a readable safetensors file", "Check the path and the permissions.", exception);
        }
        try
        {
            return new SafetensorsFile(path, stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The path it was opened under.</summary>
    public string Path { get; }

    /// <summary>Size of the file in bytes.</summary>
    public long Length { get; }

    /// <summary>The header as it stands in the file.</summary>
    public ReadOnlyMemory<byte> HeaderJson => _header.Json;

    /// <summary>The texts under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries => _header.Entries;

    /// <summary>What the header says of one tensor.</summary>
    public SafetensorsEntry Entry(string name) => _entries.TryGetValue(name, out var entry) ? entry
        : throw new NlftException($"{Path}, tensor \"{name}\"", "no such tensor", $"one of the file's {_entries.Count} tensors",
            "Check that the file belongs to the model.");

    /// <summary>A view of one tensor.</summary>
    /// <exception cref="NlftException">There is none of that name, or it is larger than one block of memory can be.</exception>
    public TensorData Tensor(string name)
    {
        ObjectDisposedException.ThrowIf(_data is null, this);
        var entry = Entry(name);
        var length = entry.End - entry.Begin;
        if (length > Array.MaxLength)
            throw new NlftException($"{Path}, tensor \"{name}\"", $"{length} bytes", $"at most {Array.MaxLength}",
                "Store the tensor in a 16-bit type, or use a smaller model.");
        var bytes = length == 0 ? default : new View(this, entry.Begin, (int)length).Memory;
        return new TensorData(name, entry.Type, entry.Shape, bytes);
    }

    /// <summary>A reader of one matrix that goes through the file, not through the mapping.</summary>
    public TensorRows ReadRows(string name, int columns)
    {
        var entry = Entry(name);
        return new TensorRows(Path, name, entry.Type, _header.DataOffset + entry.Begin, columns);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_data is null) return;
        _data = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _mapping.Dispose();
    }

    private sealed class View(SafetensorsFile file, long offset, int length) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan()
        {
            var data = file._data;
            ObjectDisposedException.ThrowIf(data is null, file);
            return new Span<byte>(data + offset, length);
        }

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)length, nameof(elementIndex));
            var data = file._data;
            ObjectDisposedException.ThrowIf(data is null, file);
            byte* held = null;
            file._view.SafeMemoryMappedViewHandle.AcquirePointer(ref held); // keeps the mapping until Unpin, even past Dispose
            return new MemoryHandle(data + offset + elementIndex, default, this);
        }

        public override void Unpin() => file._view.SafeMemoryMappedViewHandle.ReleasePointer();

        protected override void Dispose(bool disposing) { }
    }
}
