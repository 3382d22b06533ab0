namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// The product of a block of rows with one panel, which <see cref="TileLoop{TTile}"/> computes tile by tile: C = D + alpha (s (A B) + A2 B2), where
/// s is the scale of each column if the type of B has scales. The second term runs through the same registers.
/// </summary>
internal unsafe struct PanelProduct
{
    /// <summary>
    /// How many bytes ahead a product with one row prefetches its panels, which it reads once: the processor's own prefetching ends with every page.
    /// </summary>
    public const int Ahead = 1024;

    /// <summary>Rows of C.</summary>
    public int Rows;

    /// <summary>The left factors. The second has depth 0 if there is no second term.</summary>
    public StridedMatrix A, A2;

    /// <summary>The panel, in the type of its elements; see <see cref="IElement"/>.</summary>
    public byte* B;

    /// <summary>Bytes from one panel to the next.</summary>
    public nint PanelBytes;

    /// <summary>The left factor in whole numbers, instead of A, and bytes from one row to the next; see <see cref="Kernels.Digits"/>.</summary>
    public byte* Digits;
    public nint DigitsRow;

    /// <summary>Whether the panel of 4 bits has minima.</summary>
    public bool HasMinima;

    /// <summary>The panel of the second term, float32.</summary>
    public float* B2;

    /// <summary>The scales s, or null.</summary>
    public float* Scales;

    /// <summary>C[0, 0], and elements from one row to the next.</summary>
    public float* C;
    public nint CRow;

    /// <summary>The factor on both terms.</summary>
    public float Alpha;

    /// <summary>D[0, 0]: null for none, C itself to accumulate. DRow is 0 if all rows are the same, as with a bias.</summary>
    public float* D;
    public nint DRow;

    private byte* _next;
    private float _nextStep;

    /// <summary>
    /// Sets the memory to prefetch during the product: <paramref name="bytes"/> bytes from <paramref name="next"/> on, spread evenly over the steps
    /// of all tiles. Null for none.
    /// </summary>
    public void SetPrefetch(byte* next, nint bytes)
    {
        _next = next;
        _nextStep = bytes / ((float)Rows * A.Depth);
    }

    /// <summary>Moves on by <paramref name="panels"/> panels, and by their columns of C.</summary>
    public void Advance(int panels, int columns)
    {
        B += panels * PanelBytes;
        B2 += (nint)A2.Depth * columns;
        C += columns;
        if (D is not null) D += columns;
        if (Scales is not null) Scales += columns;
    }

    /// <summary>
    /// The first address that the tile at <paramref name="row"/> prefetches, and the bytes to add with every k. With nothing to prefetch, the
    /// address is that of B, which is in the cache anyway.
    /// </summary>
    public readonly (nint First, nint Step) PrefetchOf(nint row, int rows) =>
        _next is null ? ((nint)B, 0) : ((nint)(_next + (nint)(_nextStep * row * A.Depth)), (nint)(_nextStep * rows) + 1);
}

/// <summary>A left factor in memory: element [i, k] is Data[i * RowStride + k * ColumnStride], for k below Depth.</summary>
internal readonly unsafe struct StridedMatrix(float* data, nint rowStride, nint columnStride, int depth)
{
    public readonly float* Data = data;
    public readonly nint RowStride = rowStride, ColumnStride = columnStride;
    public readonly int Depth = depth;
}
