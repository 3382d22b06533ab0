namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads a safetensors file. Opening reads and checks the header; the bytes of a tensor are read into this process's memory on first access. Bytes
/// that were read stay valid, even after <see cref="Dispose"/>.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly Dictionary<string, SafetensorsEntry> _entries;
    private readonly SafetensorsHeader _header;
    private readonly StoredFile _file;

    private SafetensorsFile(StoredFile file)
    {
        (_file, _header) = (file, SafetensorsHeader.Read(file));
        _entries = _header.Entries.ToDictionary(entry => entry.Name, StringComparer.Ordinal);
    }

    /// <summary>Opens a file and checks its header against every rule of the format.</summary>
    /// <exception cref="NlftException">There is no such file, or it breaks a rule.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = StoredFile.Open(path, "a readable safetensors file");
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The path of the file.</summary>
    public string Path => _file.Path;

    /// <summary>Size of the file in bytes.</summary>
    public long Length => _file.Length;

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

    /// <summary>Returns a tensor as it is stored.</summary>
    /// <exception cref="NlftException">There is none of that name.</exception>
    public StoredTensor Stored(string name)
    {
        _file.RequireOpen();
        return new SafetensorsTensor(_file, _header.DataOffset, Entry(name));
    }

    /// <summary>Returns a tensor; its bytes are read on first access.</summary>
    /// <exception cref="NlftException">There is none of that name, or it is larger than one block of memory can be.</exception>
    public TensorData Tensor(string name) => Stored(name).ToData();

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>A tensor whose bytes are those of the file.</summary>
    private sealed class SafetensorsTensor(StoredFile file, long dataOffset, SafetensorsEntry entry) : StoredTensor
    {
        public override string Name => entry.Name;

        public override string Place => $"{file.Path}, tensor \"{entry.Name}\"";

        public override TensorType Type => entry.Type;

        public override string FileType => entry.Type.FileName();

        public override long[] Shape => entry.Shape;

        public override long Length => entry.End - entry.Begin;

        public override void Read(long offset, Span<byte> bytes) => file.Read(dataOffset + entry.Begin + offset, bytes, Place);

        public override byte[] Sample(int most, bool middle)
        {
            var offset = middle ? Length / 2 : 0;
            var bytes = new byte[Math.Min(most, Length - offset)];
            Read(offset, bytes);
            return bytes;
        }
    }
}
