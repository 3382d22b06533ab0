using System.Buffers;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// The bytes of a tensor in a file: read as a whole, once, on access or pinning, or in parts by <see cref="Read"/>, which caches nothing.
/// </summary>
internal sealed class StoredBytes(StoredTensor tensor) : MemoryManager<byte>
{
    private byte[]? _bytes;

    public override Memory<byte> Memory => CreateMemory((int)tensor.Length);

    /// <summary>Copies some of the bytes, from the file unless they are cached.</summary>
    /// <exception cref="NlftException">The file cannot be read, or has been written to since it was opened.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        if (_bytes is { } held) held.AsSpan((int)offset, destination.Length).CopyTo(destination);
        else tensor.Read(offset, destination);
    }

    public override Span<byte> GetSpan() => _bytes ??= Load();

    public override MemoryHandle Pin(int elementIndex = 0) => (_bytes ??= Load()).AsMemory(elementIndex).Pin();

    public override void Unpin() { } // the handle of the pinned array does it

    protected override void Dispose(bool disposing) { }

    private byte[] Load()
    {
        byte[] bytes;
        try
        {
            bytes = GC.AllocateUninitializedArray<byte>((int)tensor.Length);
        }
        catch (OutOfMemoryException exception)
        {
            throw new NlftException(tensor.Place, "too little memory", $"room for its {ByteSize.Text(tensor.Length)}",
                "Give the process more memory, set Int8Weights of the engine, or use a smaller model.", exception);
        }
        tensor.Read(0, bytes);
        return bytes;
    }
}
