using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Reads a GGUF file. Opening reads and checks the header; the bytes of a tensor are read when they are needed.</summary>
internal sealed class GgufFile : IDisposable
{
    public const string Extension = ".gguf";

    private readonly GgufHeader _header;

    private GgufFile(StoredFile stored) => (Stored, _header) = (stored, GgufHeader.Read(stored));

    /// <summary>Whether a path names a GGUF file, by its ending or its first bytes: the cache of a tool may keep it under another name.</summary>
    public static bool IsAt(string path)
    {
        if (FilePresence.Fault(path) is not null) return false;
        if (HasName(path)) return true;
        try
        {
            using var file = InputFile.Open(path, "a file of a model");
            Span<byte> magic = stackalloc byte[4];
            return file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.SequenceEqual("GGUF"u8);
        }
        catch (NlftException)
        {
            return false;
        }
    }

    /// <summary>Whether a path ends as that of a GGUF file.</summary>
    public static bool HasName(string path) => Path.GetExtension(path).Equals(Extension, StringComparison.OrdinalIgnoreCase);

    /// <summary>Returns the name of the first GGUF file in a folder, or null.</summary>
    public static string? FirstIn(string folder) =>
        Directory.EnumerateFiles(folder, "*" + Extension).Select(Path.GetFileName).Order(StringComparer.Ordinal).FirstOrDefault();

    /// <summary>Opens a file and checks its header against every rule of the format.</summary>
    /// <exception cref="NlftException">There is no such file, or it breaks a rule.</exception>
    public static GgufFile Open(string path)
    {
        var stored = StoredFile.Open(path, "a readable GGUF file");
        try
        {
            return new GgufFile(stored);
        }
        catch
        {
            stored.Dispose();
            throw;
        }
    }

    /// <summary>The open file.</summary>
    public StoredFile Stored { get; }

    /// <summary>The metadata.</summary>
    public GgufMetadata Metadata => _header.Metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<GgufEntry> Tensors => _header.Tensors;

    /// <summary>Reads the bytes of the header.</summary>
    public byte[] ReadHeader()
    {
        var bytes = new byte[_header.Length];
        Stored.Read(0, bytes, Stored.Path);
        return bytes;
    }

    /// <inheritdoc/>
    public void Dispose() => Stored.Dispose();
}
