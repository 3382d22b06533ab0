using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>How a column is cut into tiles.</summary>
internal static unsafe class Tiles<TTile> where TTile : ITile
{
    // A tile of fewer rows than this waits for its own sums: two vectors a row, and a fused multiply-add takes four cycles on two ports.
    private const int LeastRows = 4;

    /// <summary>Computes the first <paramref name="columns"/> columns, at most a tile's; those beyond are left alone.</summary>
    public static void Multiply<T>(in TileColumn column, int columns) where T : IElement
    {
        if (columns < TTile.Columns)
        {
            MultiplyEdge<T>(column, columns);
            return;
        }
        for (int row = 0, height; row < column.Rows; row += height)
        {
            height = Height(column.Rows - row);
            One<T>(height, column, row);
        }
    }

    /// <summary>The same for the last columns of C, which do not fill a tile: each tile is computed beside C and copied.</summary>
    [SkipLocalsInit]
    private static void MultiplyEdge<T>(in TileColumn column, int columns) where T : IElement
    {
        var tile = stackalloc float[TTile.Rows * TTile.Columns];
        for (int row = 0, height; row < column.Rows; row += height)
        {
            height = Height(column.Rows - row);
            One<T>(height, column with { C = tile - row * TTile.Columns, CRow = TTile.Columns, D = null }, row);
            for (nint i = 0; i < height; i++)
                for (var j = 0; j < columns; j++)
                    column.C[(row + i) * column.CRow + j] = tile[i * TTile.Columns + j] + (column.D is null ? 0 : column.D[(row + i) * column.DRow + j]);
        }
    }

    /// <summary>The height of the next tile when so many rows are left: as even as they can be where the last one would be very low.</summary>
    public static int Height(int rows)
    {
        if (rows <= TTile.Rows) return rows;
        var rest = rows % TTile.Rows;
        return rows < 2 * TTile.Rows && rest is > 0 and < LeastRows - 1 ? rows - LeastRows : TTile.Rows;
    }

    private static void One<T>(int height, in TileColumn column, nint row) where T : IElement
    {
        switch (height)
        {
            case 1: TTile.Multiply<Rows1, T>(column, row); break;
            case 2: TTile.Multiply<Rows2, T>(column, row); break;
            case 3: TTile.Multiply<Rows3, T>(column, row); break;
            case 4: TTile.Multiply<Rows4, T>(column, row); break;
            case 5: TTile.Multiply<Rows5, T>(column, row); break;
            case 6: TTile.Multiply<Rows6, T>(column, row); break;
            case 7: TTile.Multiply<Rows7, T>(column, row); break;
            case 8: TTile.Multiply<Rows8, T>(column, row); break;
            case 9: TTile.Multiply<Rows9, T>(column, row); break;
            case 10: TTile.Multiply<Rows10, T>(column, row); break;
            case 11: TTile.Multiply<Rows11, T>(column, row); break;
            case 12: TTile.Multiply<Rows12, T>(column, row); break;
        }
    }
}
