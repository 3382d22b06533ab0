namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A tile of C in registers over the whole depth; see <see cref="TileColumn"/>. Each element is one chain of fused multiply-adds in the order of k, so
/// every tile of every width and height gives the same bits.
/// </summary>
internal unsafe interface ITile
{
    /// <summary>The height at which the registers are full.</summary>
    static abstract int Rows { get; }

    /// <summary>The width, two vectors.</summary>
    static abstract int Columns { get; }

    /// <summary>One tile of <c>TRows.Count</c> rows, at most <see cref="Rows"/>, from <paramref name="row"/> on: a kernel is compiled for every height and type of B.</summary>
    static abstract void Multiply<TRows, T>(in TileColumn column, nint row) where TRows : IRowCount where T : IElement;
}

/// <summary>
/// A column of tiles, all rows of a left factor against one panel: C = D + alpha (s (A B) + A2 B2), with a factor s for every column where the type of B
/// has one, and a second product that goes through the same registers.
/// </summary>
internal unsafe struct TileColumn
{
    /// <summary>M.</summary>
    public int Rows;

    /// <summary>The left factors; the second one has the depth 0 when there is none.</summary>
    public LeftFactor A, A2;

    /// <summary>The panel, in the type of its elements; see <see cref="IElement"/>.</summary>
    public byte* B;

    /// <summary>The panel of the second product, float32.</summary>
    public float* B2;

    /// <summary>The factors s, or null.</summary>
    public float* Scales;

    /// <summary>C[0, 0], and elements from one row to the next.</summary>
    public float* C;
    public nint CRow;

    /// <summary>The factor on both products.</summary>
    public float Alpha;

    /// <summary>D[0, 0], what the products are added to: null for nothing, C itself to accumulate. DRow is 0 for the same row everywhere, as with a bias.</summary>
    public float* D;
    public nint DRow;

    private byte* _next;
    private float _nextStep;

    /// <summary>While it is computed, the memory is asked for so many bytes from <paramref name="next"/> on, which will be wanted later; every tile asks for its part. Null for nothing.</summary>
    public void Ask(byte* next, nint bytes)
    {
        _next = next;
        _nextStep = bytes / ((float)Rows * A.Depth);
    }

    /// <summary>Goes on to the next panel, so many bytes away, and its columns.</summary>
    public void Advance(nint panelBytes, int columns, int secondDepth)
    {
        B += panelBytes;
        B2 += (nint)secondDepth * columns;
        C += columns;
        if (D is not null) D += columns;
        if (Scales is not null) Scales += columns;
    }

    /// <summary>What tile <paramref name="row"/> asks for, and by how many bytes it goes on with every k. With nothing to ask for it is B, which is there already.</summary>
    public readonly (nint First, nint Step) Asked(nint row, int rows) =>
        _next is null ? ((nint)B, 0) : ((nint)(_next + (nint)(_nextStep * row * A.Depth)), (nint)(_nextStep * rows) + 1);
}

/// <summary>A left factor: element [i, k] lies at A + i * Row + k * Step, k below Depth.</summary>
internal readonly unsafe struct LeftFactor(float* a, nint row, nint step, int depth)
{
    public readonly float* A = a;
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
