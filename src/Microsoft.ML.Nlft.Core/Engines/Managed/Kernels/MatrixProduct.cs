using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// C (+)= alpha A B. B is packed into panels of a tile's width; every tile of C is one call of a register-blocked kernel. Tiles
/// are shared out over threads, sums are not: an element of C is summed in the order of k whatever the threads or the shape around it.
/// </summary>
internal static unsafe class MatrixProduct
{
    private const int DepthBlock = 384, ColumnBlock = 2048, RowsPerTask = 96, PanelsPerTask = 8;
    private const long SequentialBelow = 1L << 18; // multiply-adds: below this a fork costs more than it brings

    /// <summary>C[M x N] (+)= alpha A[M x K] B[K x N], on all threads.</summary>
    public static void Multiply(Workers workers, Workspace workspace, Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false)
    {
        if (a.Columns != b.Rows || a.Rows != c.Rows || b.Columns != c.Columns)
            throw new ArgumentException($"[{a.Rows} x {a.Columns}] times [{b.Rows} x {b.Columns}] does not give [{c.Rows} x {c.Columns}].");
        if (a.Array is null) throw new ArgumentException("The left factor must be a float matrix.", nameof(a));
        if ((long)a.Rows * a.Columns * b.Columns < SequentialBelow || workers.Threads == 1)
            workers = Sequential;
        if (Vector512.IsHardwareAccelerated) Multiply<Tile512>(workers, workspace, a, b, c, alpha, accumulate);
        else Multiply<Tile256>(workers, workspace, a, b, c, alpha, accumulate);
    }

    /// <summary>The same on the calling thread alone: for use inside a piece of parallel work.</summary>
    public static void MultiplySequentially(Workspace workspace, Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        Multiply(Sequential, workspace, a, b, c, alpha, accumulate);

    /// <summary>The oracle: three loops in double precision.</summary>
    public static void MultiplyNaively(Matrix a, Matrix b, Matrix c, float alpha = 1, bool accumulate = false)
    {
        for (var i = 0; i < c.Rows; i++)
            for (var j = 0; j < c.Columns; j++)
            {
                var sum = 0.0;
                for (var k = 0; k < a.Columns; k++) sum += (double)a[i][k] * b[k][j];
                c[i][j] = (float)(alpha * sum + (accumulate ? c[i][j] : 0));
            }
    }

    private static Workers Sequential { get; } = new(1);

    internal static void Multiply<TKernel>(Workers workers, Workspace workspace, Operand a, Operand b, Matrix c, float alpha, bool accumulate)
        where TKernel : ITileKernel
    {
        int m = a.Rows, n = b.Columns, depth = a.Columns, width = TKernel.Columns;
        if (depth == 0 && !accumulate) c.Clear();
        var columnBlock = Math.Min(ColumnBlock, (n + width - 1) / width * width);
        var panels = workspace.Rent(columnBlock * Math.Min(DepthBlock, Math.Max(1, depth)));
        for (var n0 = 0; n0 < n; n0 += ColumnBlock)
        {
            var columns = Math.Min(ColumnBlock, n - n0);
            for (var k0 = 0; k0 < depth; k0 += DepthBlock)
            {
                var block = new Block<TKernel>(a, b, c.Part(0, m, n0, columns), panels, n0, k0, Math.Min(DepthBlock, depth - k0), alpha, accumulate || k0 > 0);
                var panelCount = (columns + width - 1) / width;
                var panelTasks = (panelCount + PanelsPerTask - 1) / PanelsPerTask;
                var rowTasks = (m + RowsPerTask - 1) / RowsPerTask;
                if (workers.Threads == 1)
                {
                    for (var panel = 0; panel < panelCount; panel++) block.Pack(panel);
                    for (var task = 0; task < panelTasks * rowTasks; task++) block.Compute(task / rowTasks, task % rowTasks);
                }
                else
                {
                    workers.For(panelTasks, task =>
                    {
                        for (var panel = task * PanelsPerTask; panel < Math.Min(panelCount, (task + 1) * PanelsPerTask); panel++) block.Pack(panel);
                    });
                    workers.For(panelTasks * rowTasks, task => block.Compute(task / rowTasks, task % rowTasks));
                }
            }
        }
        workspace.Return(panels);
    }

    /// <summary>One block of depth and columns: its packed panels and its tiles.</summary>
    private readonly struct Block<TKernel>(Operand a, Operand b, Matrix c, float[] panels, int firstColumn, int firstDepth, int depth, float alpha, bool accumulate)
        where TKernel : ITileKernel
    {
        /// <summary>Packs columns [panel * width, ...) of B.</summary>
        public void Pack(int panel)
        {
            var column = panel * TKernel.Columns;
            fixed (float* destination = &panels[column * depth])
                b.Pack(firstDepth, depth, firstColumn + column, Math.Min(TKernel.Columns, c.Columns - column), TKernel.Columns, destination);
        }

        /// <summary>Computes the tiles of one group of panels in one group of rows.</summary>
        [SkipLocalsInit]
        public void Compute(int panelTask, int rowTask)
        {
            int rows = TKernel.Rows, width = TKernel.Columns;
            int firstRow = rowTask * RowsPerTask, endRow = Math.Min(c.Rows, firstRow + RowsPerTask);
            int firstPanel = panelTask * PanelsPerTask, endPanel = Math.Min((c.Columns + width - 1) / width, firstPanel + PanelsPerTask);
            var tile = stackalloc float[rows * width];
            var edge = stackalloc float[rows * DepthBlock];
            fixed (float* pinnedA = a.Array, pinnedB = panels, pinnedC = c.Data)
            {
                var origin = pinnedA + a.Offset + firstDepth * a.ColumnStride;
                var tail = firstRow + (endRow - firstRow) / rows * rows;
                if (tail < endRow) // fewer rows than a tile has: give the kernel a copy filled up with zeros
                    for (var k = 0; k < depth; k++)
                        for (var i = 0; i < rows; i++)
                            edge[k * rows + i] = tail + i < endRow ? origin[(tail + i) * a.RowStride + k * a.ColumnStride] : 0;
                for (var panel = firstPanel; panel < endPanel; panel++)
                {
                    var column = panel * width;
                    var packed = pinnedB + column * depth;
                    var whole = column + width <= c.Columns;
                    for (var row = firstRow; row < endRow; row += rows)
                    {
                        var target = pinnedC + c.Offset + (nint)row * c.Stride + column;
                        var (left, leftRow, leftStep) = row < tail ? ((nint)(origin + row * a.RowStride), a.RowStride, a.ColumnStride) : ((nint)edge, 1, rows);
                        if (whole && row + rows <= endRow)
                            TKernel.Multiply((float*)left, leftRow, leftStep, packed, depth, target, c.Stride, alpha, accumulate);
                        else
                        {
                            TKernel.Multiply((float*)left, leftRow, leftStep, packed, depth, tile, width, alpha, accumulate: false);
                            CopyTile(tile, width, target, Math.Min(rows, endRow - row), Math.Min(width, c.Columns - column));
                        }
                    }
                }
            }
        }

        private void CopyTile(float* tile, int width, float* target, int rows, int columns)
        {
            for (var i = 0; i < rows; i++, tile += width, target += c.Stride)
                for (var j = 0; j < columns; j++)
                    target[j] = accumulate ? target[j] + tile[j] : tile[j];
        }
    }
}
