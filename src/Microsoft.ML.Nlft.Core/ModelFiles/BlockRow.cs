namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>A row of a matrix in blocks, w = s q + m.</summary>
internal sealed class BlockRow
{
    /// <summary>Makes an empty row.</summary>
    /// <param name="columns">Elements of the row.</param>
    /// <param name="blockLength">Elements of a block; the last one may have fewer.</param>
    public BlockRow(int columns, int blockLength)
    {
        BlockLength = blockLength;
        Elements = new sbyte[columns];
        Scales = new float[(columns + blockLength - 1) / blockLength];
        Minima = new float[Scales.Length];
    }

    /// <summary>Elements of a block.</summary>
    public int BlockLength { get; }

    /// <summary>q of every element.</summary>
    public sbyte[] Elements { get; }

    /// <summary>s of every block.</summary>
    public float[] Scales { get; }

    /// <summary>m of every block; 0 in types without.</summary>
    public float[] Minima { get; }
}

/// <summary>How a matrix is quantised in blocks.</summary>
/// <param name="Bits">Bits of q: 4 or 8.</param>
/// <param name="Length">Elements of a block, 16 or 32.</param>
/// <param name="HasMinimum">Whether w = s q + m, not s q; q of 4 bits is then 0 to 15, not -8 to 7.</param>
internal readonly record struct BlockFormat(int Bits, int Length, bool HasMinimum)
{
    /// <summary>Returns the bytes of a matrix with scales and minima in float32.</summary>
    /// <param name="elements">Elements of the matrix, whole blocks.</param>
    public long Bytes(long elements) => elements * Bits / 8 + elements / Length * (HasMinimum ? 8 : 4);
}
