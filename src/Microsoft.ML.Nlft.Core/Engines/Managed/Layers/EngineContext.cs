using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>What every layer needs to run: threads, a pool of arrays, and the batch.</summary>
/// <param name="Workers">The threads.</param>
/// <param name="Workspace">The pool of arrays.</param>
/// <param name="Batch">The sequences.</param>
/// <param name="Training">Whether dropout applies.</param>
internal readonly record struct EngineContext(Workers Workers, Workspace Workspace, PackedBatch Batch, bool Training)
{
    private const int RowBlock = 16, SequentialBelow = 4;

    /// <summary>The rows of the batch that the matrices hold. Default: all rows.</summary>
    public QueryRows Rows { get; init; } = QueryRows.All(Batch);

    /// <summary>
    /// Whether products with weights of 4 bits are of whole numbers, <see cref="Digits"/>: faster for one row, slower for many.
    /// </summary>
    public bool InDigits { get; init; }

    public Matrix Rent(int rows, int columns) => Workspace.Rent(rows, columns);

    public void Return(Matrix matrix) => Workspace.Return(matrix);

    /// <summary>Returns <see cref="Rows"/> of a matrix of all rows: the matrix itself if these are all, else a rented copy.</summary>
    public Matrix Gather(Matrix x)
    {
        if (Rows.IsAll) return x;
        var gathered = Rent(Rows.Rows, x.Columns);
        for (var row = 0; row < gathered.Rows; row++) x[Rows.BatchRow(row)].CopyTo(gathered[row]);
        return gathered;
    }

    public void Multiply(Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        MatrixProduct.Multiply(Workers, a, b, c, alpha, accumulate);

    /// <summary>Calls body(state, row) for every row.</summary>
    public void ForRows<TState>(int rows, TState state, Action<TState, int> body)
    {
        if (rows < SequentialBelow) // threads would cost more than they save
        {
            for (var row = 0; row < rows; row++) body(state, row);
            return;
        }
        Workers.ForBlocks(rows, Math.Min(RowBlock, (rows + Workers.Threads - 1) / Workers.Threads), (state, body), static (loop, start, end) =>
        {
            for (var row = start; row < end; row++) loop.body(loop.state, row);
        });
    }
}
