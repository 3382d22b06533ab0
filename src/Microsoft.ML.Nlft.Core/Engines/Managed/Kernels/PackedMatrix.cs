using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A float32 right factor B[K x N], all of its panels packed, for many small products on one thread: attention and the key/value cache use it.
/// </summary>
/// <param name="panels">The panels, <see cref="Size"/> floats.</param>
/// <param name="depth">K.</param>
/// <param name="columns">N, rounded up to whole panels; the additional columns are zero.</param>
internal readonly unsafe struct PackedMatrix(float* panels, int depth, int columns)
{
    /// <summary>Floats of a packed matrix, a multiple of a cache line, so that several can follow one another.</summary>
    public static int Size(int depth, int columns) => RoundUp(columns) * depth;

    /// <summary>A number of columns, rounded up to whole panels.</summary>
    public static int RoundUp(int columns) => (columns + Panel.Width - 1) / Panel.Width * Panel.Width;

    /// <summary>Packs a factor into <paramref name="panels"/>.</summary>
    public static PackedMatrix Pack(Operand b, float* panels)
    {
        b.Pack(0, b.Rows, 0, b.Columns, Panel.Width, panels);
        return new PackedMatrix(panels, b.Rows, RoundUp(b.Columns));
    }

    /// <summary>Sets column <paramref name="column"/> of a matrix packed in <paramref name="panels"/>.</summary>
    public static void SetColumn(Span<float> panels, int column, ReadOnlySpan<float> values)
    {
        var panel = panels[(column / Panel.Width * Panel.Width * values.Length)..];
        for (int k = 0, index = column % Panel.Width; k < values.Length; k++, index += Panel.Width) panel[index] = values[k];
    }

    /// <summary>Sets row <paramref name="row"/> of a matrix of <paramref name="rows"/> rows packed in <paramref name="panels"/>.</summary>
    public static void SetRow(Span<float> panels, int rows, int row, ReadOnlySpan<float> values)
    {
        for (var j = 0; j < values.Length; j += Panel.Width)
        {
            values[j..Math.Min(values.Length, j + Panel.Width)].CopyTo(panels[(j * rows + row * Panel.Width)..]);
        }
    }

    /// <summary>Reads column <paramref name="column"/> of a matrix packed in <paramref name="panels"/>.</summary>
    public static void GetColumn(ReadOnlySpan<float> panels, int column, Span<float> values)
    {
        var panel = panels[(column / Panel.Width * Panel.Width * values.Length)..];
        for (int k = 0, index = column % Panel.Width; k < values.Length; k++, index += Panel.Width) values[k] = panel[index];
    }

    /// <summary>Reads row <paramref name="row"/> of a matrix of <paramref name="rows"/> rows packed in <paramref name="panels"/>.</summary>
    public static void GetRow(ReadOnlySpan<float> panels, int rows, int row, Span<float> values)
    {
        for (var j = 0; j < values.Length; j += Panel.Width)
        {
            var part = values[j..Math.Min(values.Length, j + Panel.Width)];
            panels.Slice(j * rows + row * Panel.Width, part.Length).CopyTo(part);
        }
    }

    /// <summary>The panels.</summary>
    public float* Panels => panels;

    /// <summary>Computes C[rows x n] (+)= alpha A[rows x k] B with the first k rows and n columns of B.</summary>
    /// <param name="rows">Rows of A and C.</param>
    /// <param name="k">Columns of A.</param>
    /// <param name="n">Columns of C.</param>
    /// <param name="a">A[0, 0].</param>
    /// <param name="aRow">Elements from one row of A to the next.</param>
    /// <param name="aColumn">Elements from one column of A to the next.</param>
    /// <param name="c">C[0, 0].</param>
    /// <param name="cRow">Elements from one row of C to the next.</param>
    /// <param name="alpha">The factor on the product.</param>
    /// <param name="accumulate">Whether to add to C.</param>
    /// <param name="next">Panels of the same shape to prefetch meanwhile, or null.</param>
    public void Multiply(int rows, int k, int n, float* a, nint aRow, nint aColumn, float* c, nint cRow,
        float alpha = 1, bool accumulate = false, float* next = null)
    {
        if (k > depth || n > columns) throw new ArgumentException($"The factor is [{depth} x {columns}], not [{k} x {n}].");
        for (var column = 0; column < n; column += Panel.Width)
        {
            var product = new PanelProduct
            {
                Rows = rows, A = new StridedMatrix(a, aRow, aColumn, k), B = (byte*)(panels + (nint)column * depth), Alpha = alpha,
                C = c + column, CRow = cRow, D = accumulate ? c + column : null, DRow = cRow,
            };
            if (next is not null) product.SetPrefetch((byte*)(next + (nint)column * depth), (nint)depth * Panel.Width * sizeof(float));
            if (Vector512.IsHardwareAccelerated) TileLoop<Tile512>.Multiply<Float32>(product, Math.Min(Panel.Width, n - column));
            else TileLoop<Tile256>.Multiply<Float32>(product, Math.Min(Panel.Width, n - column));
        }
    }
}
