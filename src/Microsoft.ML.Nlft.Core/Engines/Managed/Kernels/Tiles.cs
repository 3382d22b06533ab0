using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A column of tiles: all rows of a left factor against one packed panel.</summary>
internal static unsafe class Tiles<TTile> where TTile : ITile
{
    // A tile of fewer rows than this waits for its own sums: two vectors a row, and a fused multiply-add takes four cycles on two ports.
    private const int LeastRows = 4;

    /// <summary>
    /// C[rows x columns] = D + alpha A panel, with the rows of A from <paramref name="firstRow"/> on; columns beyond <paramref name="columns"/> are left alone.
    /// See <see cref="ITile"/>.
    /// </summary>
    public static void Multiply(int rows, int columns, LeftFactor* left, int count, nint firstRow, float* panel, float* c, nint cRow, float alpha, float* d, nint dRow)
    {
        if (columns < TTile.Columns)
        {
            MultiplyEdge(rows, columns, left, count, firstRow, panel, c, cRow, alpha, d, dRow);
            return;
        }
        if (d is null) dRow = 0;
        int rest = Rest(rows), whole = rows - rest;
        for (var row = 0; row < whole; row += TTile.Rows) One(TTile.Rows, left, count, firstRow + row, panel, c + row * cRow, cRow, alpha, d + row * dRow, dRow);
        for (int row = whole, height; row < rows; row += height)
        {
            height = Height(rows - row);
            One(height, left, count, firstRow + row, panel, c + row * cRow, cRow, alpha, d + row * dRow, dRow);
        }
    }

    /// <summary>The same for the last columns of C, which do not fill a tile: each tile is computed beside C and copied.</summary>
    [SkipLocalsInit]
    private static void MultiplyEdge(int rows, int columns, LeftFactor* left, int count, nint firstRow, float* panel, float* c, nint cRow, float alpha, float* d, nint dRow)
    {
        var tile = stackalloc float[TTile.Rows * TTile.Columns];
        for (int row = 0, height; row < rows; row += height)
        {
            height = Height(rows - row);
            One(height, left, count, firstRow + row, panel, tile, TTile.Columns, alpha, null, 0);
            for (var i = 0; i < height; i++)
                for (var j = 0; j < columns; j++)
                    c[(row + i) * cRow + j] = tile[i * TTile.Columns + j] + (d is null ? 0 : d[(row + i) * dRow + j]);
        }
    }

    /// <summary>The rows at the end that are not left to full tiles: a very low last tile shares the rows of the full one before it.</summary>
    private static int Rest(int rows)
    {
        var rest = rows % TTile.Rows;
        return rest is > 0 and < LeastRows - 1 && rows > TTile.Rows ? rest + TTile.Rows : rest;
    }

    /// <summary>The height of the next tile when so many rows are left.</summary>
    public static int Height(int rows)
    {
        var rest = Rest(rows);
        return rows > rest ? TTile.Rows : rows > TTile.Rows ? rows - LeastRows : rows;
    }

    private static void One(int height, LeftFactor* left, int count, nint row, float* b, float* c, nint cRow, float alpha, float* d, nint dRow)
    {
        switch (height)
        {
            case 1: TTile.Multiply<Rows1>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 2: TTile.Multiply<Rows2>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 3: TTile.Multiply<Rows3>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 4: TTile.Multiply<Rows4>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 5: TTile.Multiply<Rows5>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 6: TTile.Multiply<Rows6>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 7: TTile.Multiply<Rows7>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 8: TTile.Multiply<Rows8>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 9: TTile.Multiply<Rows9>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 10: TTile.Multiply<Rows10>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 11: TTile.Multiply<Rows11>(left, count, row, b, c, cRow, alpha, d, dRow); break;
            case 12: TTile.Multiply<Rows12>(left, count, row, b, c, cRow, alpha, d, dRow); break;
        }
    }
}
