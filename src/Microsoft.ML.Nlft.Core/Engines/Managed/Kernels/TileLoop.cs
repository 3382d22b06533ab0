using System.Runtime.CompilerServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>Computes a <see cref="PanelProduct"/> tile by tile, from the first row to the last.</summary>
internal static unsafe class TileLoop<TTile> where TTile : ITile
{
    // A tile of fewer rows waits for its own sums: two vectors a row, while a fused multiply-add takes four cycles on each of two ports.
    private const int MinimumRows = 4;

    /// <summary>The panels that one row meets at once.</summary>
    public const int RowPanels = 2;

    /// <summary>
    /// Computes the first <paramref name="columns"/> columns of C, at most a tile's, or for one row those of <see cref="RowPanels"/> panels; the
    /// others are left unchanged.
    /// </summary>
    public static void Multiply<T>(in PanelProduct product, int columns) where T : IElement
    {
        if (columns > TTile.Columns) TTile.MultiplyRow<T>(product);
        else if (columns == TTile.Columns) MultiplyTiles<WholeWidth, T>(product);
        else if (columns == TTile.Columns / 2) MultiplyTiles<HalfWidth, T>(product);
        else MultiplyEdge(product, columns, columns < TTile.Columns / 2 ? &MultiplyTile<HalfWidth, T> : &MultiplyTile<WholeWidth, T>, TTile.Rows);
    }

    /// <summary>Computes the first <paramref name="columns"/> columns of C, at most a tile's, from <see cref="Digits"/>, row by row.</summary>
    public static void MultiplyDigits(in PanelProduct product, int columns)
    {
        if (columns < TTile.Columns)
        {
            MultiplyEdge(product, columns, &MultiplyDigitRow, mostRows: 1);
            return;
        }
        for (var row = 0; row < product.Rows; row++) TTile.MultiplyDigits(product, row);
    }

    private static void MultiplyTiles<TWidth, T>(in PanelProduct product) where TWidth : IWidth where T : IElement
    {
        for (int row = 0, height; row < product.Rows; row += height)
        {
            height = Height(product.Rows - row);
            MultiplyTile<TWidth, T>(height, product, row);
        }
    }

    private static void MultiplyDigitRow(int height, in PanelProduct product, nint row) => TTile.MultiplyDigits(product, row);

    /// <summary>Computes the last columns of C, which fill neither a tile nor half of it: each tile goes into a buffer first.</summary>
    [SkipLocalsInit]
    private static void MultiplyEdge(in PanelProduct product, int columns, delegate*<int, in PanelProduct, nint, void> multiply, int mostRows)
    {
        var tile = stackalloc float[TTile.Rows * TTile.Columns];
        for (int row = 0, height; row < product.Rows; row += height)
        {
            height = Math.Min(mostRows, Height(product.Rows - row));
            multiply(height, product with { C = tile - row * TTile.Columns, CRow = TTile.Columns, D = null }, row);
            for (nint i = 0; i < height; i++)
            {
                for (var j = 0; j < columns; j++)
                {
                    var addend = product.D is null ? 0 : product.D[(row + i) * product.DRow + j];
                    product.C[(row + i) * product.CRow + j] = tile[i * TTile.Columns + j] + addend;
                }
            }
        }
    }

    /// <summary>
    /// The height of the next tile with <paramref name="rows"/> rows left: less than a full tile if the one after it would be too low.
    /// </summary>
    public static int Height(int rows)
    {
        if (rows <= TTile.Rows) return rows;
        var rest = rows % TTile.Rows;
        return rows < 2 * TTile.Rows && rest is > 0 and < MinimumRows - 1 ? rows - MinimumRows : TTile.Rows;
    }

    private static void MultiplyTile<TWidth, T>(int height, in PanelProduct product, nint row) where TWidth : IWidth where T : IElement
    {
        switch (height)
        {
            case 1: TTile.Multiply<Rows1, TWidth, T>(product, row); break;
            case 2: TTile.Multiply<Rows2, TWidth, T>(product, row); break;
            case 3: TTile.Multiply<Rows3, TWidth, T>(product, row); break;
            case 4: TTile.Multiply<Rows4, TWidth, T>(product, row); break;
            case 5: TTile.Multiply<Rows5, TWidth, T>(product, row); break;
            case 6: TTile.Multiply<Rows6, TWidth, T>(product, row); break;
            case 7: TTile.Multiply<Rows7, TWidth, T>(product, row); break;
            case 8: TTile.Multiply<Rows8, TWidth, T>(product, row); break;
            case 9: TTile.Multiply<Rows9, TWidth, T>(product, row); break;
            case 10: TTile.Multiply<Rows10, TWidth, T>(product, row); break;
            case 11: TTile.Multiply<Rows11, TWidth, T>(product, row); break;
            case 12: TTile.Multiply<Rows12, TWidth, T>(product, row); break;
        }
    }
}
