using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A right factor B[K x N] packed as a whole, panel after panel, for many small products on one thread, as attention has them.</summary>
/// <param name="panels">Where the panels lie; <see cref="Size"/> floats.</param>
/// <param name="depth">K.</param>
/// <param name="columns">N, rounded up to whole panels: the columns added are zero.</param>
internal readonly unsafe struct PackedFactor(float* panels, int depth, int columns)
{
    private static int Width => Vector512.IsHardwareAccelerated ? Tile512.Columns : Tile256.Columns;

    /// <summary>Floats that a packed factor takes; a multiple of a cache line's, so that one can follow the other.</summary>
    public static int Size(int depth, int columns) => RoundUp(columns) * depth;

    /// <summary>A number of columns, rounded up to whole panels.</summary>
    public static int RoundUp(int columns) => (columns + Width - 1) / Width * Width;

    /// <summary>Packs a factor at <paramref name="panels"/>.</summary>
    public static PackedFactor Pack(Operand b, float* panels)
    {
        b.Pack(0, b.Rows, 0, b.Columns, Width, b.Rows, panels);
        return new PackedFactor(panels, b.Rows, RoundUp(b.Columns));
    }

    /// <summary>C[rows x n] (+)= alpha A[rows x k] B, with the first k rows and n columns of B.</summary>
    public void Multiply(int rows, int k, int n, float* a, nint aRow, nint aStep, float* c, nint cRow, float alpha = 1, bool accumulate = false)
    {
        if (k > depth || n > columns) throw new ArgumentException($"The factor is [{depth} x {columns}], not [{k} x {n}].");
        var left = new LeftFactor(a, aRow, aStep, k);
        for (var column = 0; column < n; column += Width)
        {
            float* panel = panels + (nint)column * depth, target = c + column, addend = accumulate ? target : null;
            var width = Math.Min(Width, n - column);
            if (Vector512.IsHardwareAccelerated) Tiles<Tile512>.Multiply(rows, width, &left, 1, 0, panel, target, cRow, alpha, addend, cRow);
            else Tiles<Tile256>.Multiply(rows, width, &left, 1, 0, panel, target, cRow, alpha, addend, cRow);
        }
    }
}
