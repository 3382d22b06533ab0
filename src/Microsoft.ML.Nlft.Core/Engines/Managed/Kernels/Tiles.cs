using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A column of tiles: all rows of a left factor against one packed panel.</summary>
internal static unsafe class Tiles<TTile> where TTile : ITile
{
    // A tile of fewer rows than this waits for its own sums: two vectors a row, and a fused multiply-add takes four cycles on two ports.
    private const int LeastRows = 4;

    /// <summary>C[rows x columns] = D + alpha A[rows x depth] panel[depth x columns]; columns beyond <paramref name="columns"/> are left alone.</summary>
    [SkipLocalsInit]
    public static void Multiply(int rows, int columns, float* a, nint aRow, nint aStep, float* panel, int depth, float* c, nint cRow, float alpha, float* d, nint dRow)
    {
        var edge = stackalloc float[TTile.Rows * TTile.Columns];
        for (var row = 0; row < rows;)
        {
            var height = Height(rows - row);
            float* left = a + row * aRow, target = c + row * cRow, addend = d is null ? null : d + row * dRow;
            if (columns == TTile.Columns) One(height, left, aRow, aStep, panel, depth, target, cRow, alpha, addend, dRow);
            else
            {
                One(height, left, aRow, aStep, panel, depth, edge, TTile.Columns, alpha, null, 0);
                for (var i = 0; i < height; i++)
                    for (var j = 0; j < columns; j++)
                        target[i * cRow + j] = edge[i * TTile.Columns + j] + (addend is null ? 0 : addend[i * dRow + j]);
            }
            row += height;
        }
    }

    /// <summary>Full tiles, then what is left; where that would be very low, the last full tile shares its rows with it.</summary>
    public static int Height(int rows)
    {
        var rest = rows % TTile.Rows;
        if (rows >= 2 * TTile.Rows || rest == 0) return TTile.Rows;
        if (rows < TTile.Rows) return rows;
        return rest >= LeastRows - 1 ? TTile.Rows : TTile.Rows + rest - LeastRows;
    }

    private static void One(int height, float* a, nint aRow, nint aStep, float* b, int depth, float* c, nint cRow, float alpha, float* d, nint dRow)
    {
        switch (height)
        {
            case 1: TTile.Multiply<Rows1>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 2: TTile.Multiply<Rows2>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 3: TTile.Multiply<Rows3>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 4: TTile.Multiply<Rows4>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 5: TTile.Multiply<Rows5>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 6: TTile.Multiply<Rows6>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 7: TTile.Multiply<Rows7>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 8: TTile.Multiply<Rows8>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 9: TTile.Multiply<Rows9>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 10: TTile.Multiply<Rows10>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 11: TTile.Multiply<Rows11>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
            case 12: TTile.Multiply<Rows12>(a, aRow, aStep, b, depth, c, cRow, alpha, d, dRow); break;
        }
    }
}
