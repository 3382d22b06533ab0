using System.Buffers;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A tensor of a GGUF file as a Hugging Face checkpoint has it: quantised blocks as float32, rows in the checkpoint's order, norm weights without the
/// one that some files add. Rows are read and converted a few at a time.
/// </summary>
/// <param name="file">The file.</param>
/// <param name="entry">The tensor in the file.</param>
/// <param name="name">Its name in a Hugging Face checkpoint.</param>
internal sealed class GgufTensor(GgufFile file, GgufEntry entry, string name) : StoredTensor
{
    private const int BufferSize = 1 << 18;

    /// <summary>How the rows are ordered.</summary>
    public RowOrder Order { get; init; } = RowOrder.Same;

    /// <summary>Whether the values are stored plus one.</summary>
    public bool PlusOne { get; init; }

    public override string Name => name;

    public override string Place => $"{file.Stored.Path}, tensor \"{entry.Name}\"";

    public override TensorType Type => PlusOne ? TensorType.F32 : entry.Type.Lossless();

    public override string FileType => entry.Type.ToString();

    public override long[] Shape => entry.Shape;

    public override long Length => Rows * RowBytes;

    public override long FileLength => entry.End - entry.Begin;

    public override BlockFormat? Blocks => entry.Type.IsQuantised() && !PlusOne && entry.Shape.Length == 2 ? entry.Type.Held() : null;

    private bool IsOrdered => Order != RowOrder.Same;

    private int Columns => IsOrdered && entry.Shape.Length == 1 ? 1 : (int)entry.Shape[^1]; // an ordered bias has rows of one value

    private long Rows => FileLength / StoredRowBytes;

    private long RowBytes => (long)Columns * Type.ByteSize();

    private long StoredRowBytes => entry.Type.Block() is var (values, bytes) ? (long)Columns / values * bytes : 0;

    public override void Read(long offset, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var (row, start) = Math.DivRem(offset, RowBytes);
            int length;
            if (start == 0 && bytes.Length >= RowBytes)
            {
                var rows = IsOrdered ? 1 : Math.Clamp(BufferSize / StoredRowBytes, 1, bytes.Length / RowBytes);
                length = (int)(rows * RowBytes);
                ReadRows(row, rows, bytes[..length]);
            }
            else
            {
                length = (int)Math.Min(bytes.Length, RowBytes - start);
                using var whole = MemoryPool<byte>.Shared.Rent((int)RowBytes);
                ReadRows(row, 1, whole.Memory.Span[..(int)RowBytes]);
                whole.Memory.Span.Slice((int)start, length).CopyTo(bytes);
            }
            offset += length;
            bytes = bytes[length..];
        }
    }

    public override void ReadBlocks(long row, BlockRow target)
    {
        var length = (int)StoredRowBytes;
        using var stored = MemoryPool<byte>.Shared.Rent(length);
        var source = stored.Memory.Span[..length];
        file.Stored.Read(entry.Begin + Order.Stored(row) * StoredRowBytes, source, Place);
        GgufBlocks.Decode(entry.Type, source, target.Elements, target.Scales, target.Minima);
    }

    public override byte[] Sample(int most, bool middle)
    {
        var offset = middle ? FileLength / 2 : 0;
        var bytes = new byte[Math.Min(most, FileLength - offset)];
        file.Stored.Read(entry.Begin + offset, bytes, Place);
        return bytes;
    }

    private void ReadRows(long row, long count, Span<byte> bytes)
    {
        var position = entry.Begin + Order.Stored(row) * StoredRowBytes;
        if (!entry.Type.IsQuantised() && !PlusOne)
        {
            file.Stored.Read(position, bytes, Place);
            return;
        }
        var length = (int)(count * StoredRowBytes);
        using var stored = MemoryPool<byte>.Shared.Rent(length);
        var source = stored.Memory.Span[..length];
        file.Stored.Read(position, source, Place);
        var values = MemoryMarshal.Cast<byte, float>(bytes);
        if (entry.Type.IsQuantised()) GgufBlocks.ToSingle(entry.Type, source, values);
        else TensorConversion.ToSingle(entry.Type.Lossless(), source, values);
        if (!PlusOne) return;
        foreach (ref var value in values) value -= 1;
    }
}
