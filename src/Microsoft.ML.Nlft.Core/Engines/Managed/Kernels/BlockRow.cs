namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

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
