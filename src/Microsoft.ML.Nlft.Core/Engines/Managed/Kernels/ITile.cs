namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// C[rows x Columns] = D + alpha A B, with C kept in registers over the whole depth. A may have two parts side by side, [A1 A2], of which each lies where
/// it is. Each element is one chain of fused multiply-adds in the order of k, so every tile of every width and height gives the same bits.
/// </summary>
internal unsafe interface ITile
{
    /// <summary>The height at which the registers are full.</summary>
    static abstract int Rows { get; }

    /// <summary>The width, two vectors.</summary>
    static abstract int Columns { get; }

    /// <summary>One tile of <c>TRows.Count</c> rows, at most <see cref="Rows"/>: a kernel is compiled for every height.</summary>
    /// <param name="left">The parts of A.</param>
    /// <param name="count">Their number.</param>
    /// <param name="row">The first row of A.</param>
    /// <param name="b">The packed panel: b[k * Columns + j], k over all parts.</param>
    /// <param name="c">C[0, 0], row-major.</param>
    /// <param name="cRow">Elements from one row of C to the next.</param>
    /// <param name="alpha">Factor on the product.</param>
    /// <param name="d">D[0, 0], what the product is added to: null for nothing, C itself to accumulate.</param>
    /// <param name="dRow">Elements from one row of D to the next: 0 for the same row everywhere, as with a bias.</param>
    static abstract void Multiply<TRows>(LeftFactor* left, int count, nint row, float* b, float* c, nint cRow, float alpha, float* d, nint dRow)
        where TRows : IRowCount;
}

/// <summary>A part of a left factor: element [i, k] lies at A + i * Row + k * Step, k below Depth.</summary>
internal unsafe struct LeftFactor(float* a, nint row, nint step, int depth)
{
    public float* A = a;
    public readonly nint Row = row, Step = step;
    public readonly int Depth = depth;
}

/// <summary>The height of a tile as a type, so that rows beyond it are never compiled.</summary>
internal interface IRowCount
{
    static abstract int Count { get; }
}

internal readonly struct Rows1 : IRowCount { public static int Count => 1; }
internal readonly struct Rows2 : IRowCount { public static int Count => 2; }
internal readonly struct Rows3 : IRowCount { public static int Count => 3; }
internal readonly struct Rows4 : IRowCount { public static int Count => 4; }
internal readonly struct Rows5 : IRowCount { public static int Count => 5; }
internal readonly struct Rows6 : IRowCount { public static int Count => 6; }
internal readonly struct Rows7 : IRowCount { public static int Count => 7; }
internal readonly struct Rows8 : IRowCount { public static int Count => 8; }
internal readonly struct Rows9 : IRowCount { public static int Count => 9; }
internal readonly struct Rows10 : IRowCount { public static int Count => 10; }
internal readonly struct Rows11 : IRowCount { public static int Count => 11; }
internal readonly struct Rows12 : IRowCount { public static int Count => 12; }
