using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A right factor B[K x N] packed as a whole, panel after panel, for many small products on one thread, as attention has them.</summary>
/// <param name="panels">Where the panels lie; <see cref="Size"/> floats.</param>
/// <param name="depth">K.</param>
/// <param name="columns">N, rounded up to whole panels: the columns added are zero.</param>
internal readonly unsafe struct PackedFactor(float* panels, int depth, int columns)
{
    /// <summary>Floats that a packed factor takes; a multiple of a cache line's, so that one can follow the other.</summary>
    public static int Size(int depth, int columns) => RoundUp(columns) * depth;

    /// <summary>A number of columns, rounded up to whole panels.</summary>
    public static int RoundUp(int columns) => (columns + Panel.Width - 1) / Panel.Width * Panel.Width;

    /// <summary>Packs a factor at <paramref name="panels"/>.</summary>
    public static PackedFactor Pack(Operand b, float* panels)
    {
        b.Pack(0, b.Rows, 0, b.Columns, Panel.Width, panels);
        return new PackedFactor(panels, b.Rows, RoundUp(b.Columns));
    }

    /// <summary>Sets column <paramref name="column"/> of a factor that is packed in <paramref name="panels"/>.</summary>
    public static void SetColumn(Span<float> panels, int column, ReadOnlySpan<float> values)
    {
        var panel = panels[(column / Panel.Width * Panel.Width * values.Length)..];
        for (int k = 0, at = column % Panel.Width; k < values.Length; k++, at += Panel.Width) panel[at] = values[k];
    }

    /// <summary>Sets row <paramref name="row"/> of a factor of so many rows that is packed in <paramref name="panels"/>.</summary>
    public static void SetRow(Span<float> panels, int rows, int row, ReadOnlySpan<float> values)
    {
        for (var j = 0; j < values.Length; j += Panel.Width)
            values[j..Math.Min(values.Length, j + Panel.Width)].CopyTo(panels[(j * rows + row * Panel.Width)..]);
    }

    /// <summary>Where the panels lie.</summary>
    public float* Panels => panels;

    /// <summary>C[rows x n] (+)= alpha A[rows x k] B, with the first k rows and n columns of B; meanwhile the memory is asked for as much from <paramref name="next"/> on.</summary>
    public void Multiply(int rows, int k, int n, float* a, nint aRow, nint aStep, float* c, nint cRow, float alpha = 1, bool accumulate = false, float* next = null)
    {
        if (k > depth || n > columns) throw new ArgumentException($"The factor is [{depth} x {columns}], not [{k} x {n}].");
        for (var at = 0; at < n; at += Panel.Width)
        {
            var column = new TileColumn
            {
                Rows = rows, A = new LeftFactor(a, aRow, aStep, k), B = (byte*)(panels + (nint)at * depth), Alpha = alpha,
                C = c + at, CRow = cRow, D = accumulate ? c + at : null, DRow = cRow,
            };
            if (next is not null) column.Ask((byte*)(next + (nint)at * depth), (nint)depth * Panel.Width * sizeof(float));
            if (Vector512.IsHardwareAccelerated) Tiles<Tile512>.Multiply<Float32>(column, Math.Min(Panel.Width, n - at));
            else Tiles<Tile256>.Multiply<Float32>(column, Math.Min(Panel.Width, n - at));
        }
    }
}
