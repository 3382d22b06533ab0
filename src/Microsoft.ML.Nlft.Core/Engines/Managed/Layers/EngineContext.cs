using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>What every layer works with: the threads, the arrays for reuse, and the batch that runs through.</summary>
/// <param name="Workers">The threads.</param>
/// <param name="Workspace">Arrays for reuse.</param>
/// <param name="Batch">The sequences.</param>
/// <param name="Training">Whether dropout is on.</param>
internal readonly record struct EngineContext(Workers Workers, Workspace Workspace, PackedBatch Batch, bool Training)
{
    private const int RowBlock = 16, SequentialBelow = 4;

    /// <summary>The rows of the batch that the matrices hold. Default: all.</summary>
    public QueryRows Rows { get; init; } = QueryRows.All(Batch);

    public Matrix Rent(int rows, int columns) => Workspace.Rent(rows, columns);

    public void Return(Matrix matrix) => Workspace.Return(matrix);

    public void Multiply(Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        MatrixProduct.Multiply(Workers, a, b, c, alpha, accumulate);

    /// <summary>Calls body(state, row) for every row.</summary>
    public void ForRows<TState>(int rows, TState state, Action<TState, int> body)
    {
        if (rows < SequentialBelow) // sharing out so little would cost more than it brings
            for (var row = 0; row < rows; row++) body(state, row);
        else
            Workers.ForBlocks(rows, Math.Min(RowBlock, (rows + Workers.Threads - 1) / Workers.Threads), (state, body), static (work, start, end) =>
            {
                for (var row = start; row < end; row++) work.body(work.state, row);
            });
    }
}
