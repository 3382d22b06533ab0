namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>A tensor of a weight file as the engines see it: bytes of one element type, read in parts and not cached.</summary>
internal abstract class StoredTensor
{
    private const int CopySize = 1 << 20; // a multiple of every element's size

    /// <summary>The tensor's name in a Hugging Face checkpoint.</summary>
    public abstract string Name { get; }

    /// <summary>The file and the tensor's name in it, for messages.</summary>
    public abstract string Place { get; }

    /// <summary>The type of the elements that <see cref="Read"/> gives.</summary>
    public abstract TensorType Type { get; }

    /// <summary>The type of the elements in the file, as its format spells it.</summary>
    public abstract string FileType { get; }

    /// <summary>Dimensions, outermost first.</summary>
    public abstract long[] Shape { get; }

    /// <summary>Bytes of all elements in <see cref="Type"/>.</summary>
    public abstract long Length { get; }

    /// <summary>Bytes that the tensor has in the file.</summary>
    public virtual long FileLength => Length;

    /// <summary>How the elements are quantised in the file, if a row can be read in blocks; else null.</summary>
    public virtual BlockFormat? Blocks => null;

    /// <summary>Bytes of the tensor in memory as the file has it: with scales in float32 for blocks.</summary>
    public long HeldLength => Blocks?.Bytes(Shape.Aggregate(1L, (product, size) => product * size)) ?? Length;

    /// <summary>Reads a row in blocks.</summary>
    /// <exception cref="NotSupportedException"><see cref="Blocks"/> is null.</exception>
    public virtual void ReadBlocks(long row, BlockRow target) => throw new NotSupportedException($"{Place} has no blocks.");

    /// <summary>Reads whole elements of <see cref="Type"/>.</summary>
    /// <param name="offset">Where to begin, in bytes.</param>
    /// <param name="bytes">Filled.</param>
    /// <exception cref="NlftException">The file cannot be read, or has been written to since it was opened.</exception>
    public abstract void Read(long offset, Span<byte> bytes);

    /// <summary>Reads up to a number of bytes as the file has them, from the tensor's start or its middle.</summary>
    public abstract byte[] Sample(int most, bool middle);

    /// <summary>Writes all bytes to a stream, a few at a time.</summary>
    public void CopyTo(Stream stream)
    {
        var buffer = new byte[Math.Min(Length, CopySize)];
        for (long offset = 0; offset < Length; offset += buffer.Length)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, Length - offset));
            Read(offset, part);
            stream.Write(part);
        }
    }

    /// <summary>Returns the tensor; its bytes are read on first access.</summary>
    /// <exception cref="NlftException">It is larger than one block of memory can be.</exception>
    public TensorData ToData()
    {
        if (Length > Array.MaxLength)
        {
            throw new NlftException(Place, $"{Length} bytes", $"at most {Array.MaxLength}",
                "Store the tensor in a 16-bit type, or use a smaller model.");
        }
        return new TensorData(Name, Type, Shape, Length == 0 ? default : new StoredBytes(this).Memory);
    }
}
