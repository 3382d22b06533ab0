namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// How the rows of a matrix, and the values of its bias, change places between a Hugging Face checkpoint and a GGUF file. The rows are groups of a
/// grid of cells, outer x inner in the checkpoint and inner x outer in the file: row (o inner + i) cell + c of a group there is row
/// (i outer + o) cell + c here.
/// </summary>
/// <param name="Outer">Rows of the grid in the checkpoint.</param>
/// <param name="Inner">Columns of the grid in the checkpoint.</param>
/// <param name="Cell">Rows of the matrix in a cell, which stay together.</param>
internal readonly record struct RowOrder(int Outer, int Inner, int Cell)
{
    /// <summary>Every row has the same place in both.</summary>
    public static RowOrder Same { get; } = new(1, 1, 1);

    /// <summary>
    /// The two values of a rotary pair are half a head apart in the checkpoint, side by side in the file: of pair i, rows i and i + d/2 of a head
    /// are rows 2 i and 2 i + 1.
    /// </summary>
    /// <param name="headSize">d, even.</param>
    public static RowOrder Pairs(int headSize) => new(2, headSize / 2, 1);

    /// <summary>Query, key and value of a head stand together in the checkpoint; the file has all queries, then all keys, then all values.</summary>
    public static RowOrder ByHead(int heads, int headSize) => new(heads, 3, headSize);

    /// <summary>Rows that change places among each other.</summary>
    public int Group => Outer * Inner * Cell;

    /// <summary>Consecutive rows of the file that are consecutive in the checkpoint, if in another order.</summary>
    public int Together => Cell == 1 ? Group : Cell;

    /// <summary>Returns the file's row that is a row of the checkpoint.</summary>
    public long Stored(long row)
    {
        var (cell, within) = Math.DivRem(row % Group, Cell);
        return row - row % Group + (cell % Inner * Outer + cell / Inner) * Cell + within;
    }

    /// <summary>Returns the checkpoint's row that is a row of the file.</summary>
    public int Source(int row) => (int)new RowOrder(Inner, Outer, Cell).Stored(row);
}
