using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>What every layer works with: the threads, the arrays for reuse, and the batch that runs through.</summary>
/// <param name="Workers">The threads.</param>
/// <param name="Workspace">Arrays for reuse.</param>
/// <param name="Batch">The sequences.</param>
/// <param name="Training">Whether dropout is on.</param>
internal readonly record struct EngineContext(Workers Workers, Workspace Workspace, PackedBatch Batch, bool Training)
{
    /// <summary>Rows per piece of work in loops over tokens.</summary>
    public const int RowBlock = 32;

    public Matrix Rent(int rows, int columns) => Workspace.Rent(rows, columns);

    public void Return(Matrix matrix) => Workspace.Return(matrix);

    public void Multiply(Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        MatrixProduct.Multiply(Workers, Workspace, a, b, c, alpha, accumulate);
}
