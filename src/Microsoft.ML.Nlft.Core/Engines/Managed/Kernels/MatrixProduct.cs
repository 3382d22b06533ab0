using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>alpha A B, one summand of a product.</summary>
/// <param name="A">The left factor, a float matrix.</param>
/// <param name="B">The right factor.</param>
/// <param name="Alpha">The factor on both.</param>
internal readonly record struct Term(Operand A, Operand B, float Alpha = 1);

/// <summary>
/// C = D + alpha A B, and a second such term where a LoRA adapter adds its own. A thread packs a few panels of B, each a tile wide, and lets all rows of
/// A pass by them. Panels are shared out over threads, sums are not: an element of C is summed in the order of the terms and of k, whatever the
/// threads or the shape around it.
/// </summary>
internal static unsafe class MatrixProduct
{
    private const int Deepest = 1024, MostColumns = 64; // of the panels packed at a time, which stay in the second-level cache
    private const int RowsPerTask = 768, LeastRowsPerTask = 24;
    private const long SequentialBelow = 1L << 17; // multiply-adds: below this, sharing out costs more than it brings

    /// <summary>C[M x N] (+)= alpha A[M x K] B[K x N].</summary>
    public static void Multiply(Workers workers, Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        Multiply(workers, c, accumulate ? c : null, new Term(a, b, alpha));

    /// <summary>C[M x N] = D + the terms, each [M x K] times [K x N] with a K of its own.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="c">The result.</param>
    /// <param name="d">What is added to, of the shape of <paramref name="c"/>: <paramref name="c"/> itself to accumulate, null for nothing.</param>
    /// <param name="term">The product.</param>
    /// <param name="second">A second product, or null.</param>
    public static void Multiply(Workers workers, Matrix c, Matrix? d, Term term, Term? second = null)
    {
        if (Vector512.IsHardwareAccelerated) Multiply<Tile512>(workers, c, d, term, second);
        else Multiply<Tile256>(workers, c, d, term, second);
    }

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

    internal static void Multiply<TTile>(Workers workers, Matrix c, Matrix? d, Term term, Term? second = null) where TTile : ITile
    {
        if (d is { } addend && (addend.Rows != c.Rows || addend.Columns != c.Columns))
            throw new ArgumentException($"[{addend.Rows} x {addend.Columns}] cannot be added to [{c.Rows} x {c.Columns}].");
        var work = Check(term, c) + (second is { } other ? Check(other, c) : 0);
        var (product, panels) = (new Product(workers, c, d, term, second), (c.Columns + TTile.Columns - 1) / TTile.Columns);
        var alone = workers.Threads == 1 || work < SequentialBelow;
        // Groups of panels that differ by one at most, as many for every thread; where there are few panels, the rows are split too.
        int share = alone ? 1 : workers.Threads, most = share * MostColumns / TTile.Columns;
        var groups = Math.Min(panels, share * ((panels + most - 1) / most));
        var rowTasks = Math.Max((c.Rows + RowsPerTask - 1) / RowsPerTask, alone ? 1 : Math.Min(c.Rows / LeastRowsPerTask, 4 * share / groups));
        var rowsPerTask = rowTasks <= 1 ? c.Rows : ((c.Rows + rowTasks - 1) / rowTasks + TTile.Rows - 1) / TTile.Rows * TTile.Rows;
        rowTasks = rowsPerTask == 0 ? 0 : (c.Rows + rowsPerTask - 1) / rowsPerTask;
        var split = (product, panels, groups, rowTasks, rowsPerTask);
        if (!alone) workers.For(groups * rowTasks, split, static (work, task) => Run(work, task));
        else
            for (var task = 0; task < groups * rowTasks; task++) Run(split, task);

        static void Run((Product Product, int Panels, int Groups, int RowTasks, int RowsPerTask) work, int task)
        {
            var (group, row) = (task / work.RowTasks, task % work.RowTasks * work.RowsPerTask);
            int first = (int)((long)work.Panels * group / work.Groups), end = (int)((long)work.Panels * (group + 1) / work.Groups);
            work.Product.Compute<TTile>(first * TTile.Columns, end * TTile.Columns, row, Math.Min(work.RowsPerTask, work.Product.C.Rows - row));
        }
    }

    /// <summary>Refuses shapes that do not fit; returns the number of multiply-adds.</summary>
    private static long Check(Term term, Matrix c)
    {
        var (a, b) = (term.A, term.B);
        if (a.Columns != b.Rows || a.Rows != c.Rows || b.Columns != c.Columns)
            throw new ArgumentException($"[{a.Rows} x {a.Columns}] times [{b.Rows} x {b.Columns}] does not give [{c.Rows} x {c.Columns}].");
        if (a.Array is null) throw new ArgumentException("The left factor must be a float matrix.", nameof(term));
        return (long)c.Rows * a.Columns * c.Columns;
    }

    private readonly struct Product(Workers workers, Matrix c, Matrix? d, Term term, Term? second)
    {
        public Matrix C => c;

        /// <summary>Computes columns [column, end) of rows [row, row + rows).</summary>
        public void Compute<TTile>(int column, int end, int row, int rows) where TTile : ITile
        {
            var part = c.Part(row, rows, column, Math.Min(end, c.Columns) - column);
            var sum = d?.Part(row, rows, column, part.Columns);
            sum = Add<TTile>(term, part, sum, row, column);
            if (second is { } other) sum = Add<TTile>(other, part, sum, row, column);
            if (sum is null) part.Clear(); // a sum of nothing
        }

        /// <summary>Adds one term to <paramref name="sum"/>, a part of D or of C or nothing, and returns where the new sum lies.</summary>
        private Matrix? Add<TTile>(Term summand, Matrix part, Matrix? sum, int row, int column) where TTile : ITile
        {
            var (a, b, alpha) = summand;
            var padded = (part.Columns + TTile.Columns - 1) / TTile.Columns * TTile.Columns;
            var blocks = (a.Columns + Deepest - 1) / Deepest;
            for (var block = 0; block < blocks; block++)
            {
                int first = (int)((long)a.Columns * block / blocks), depth = (int)((long)a.Columns * (block + 1) / blocks) - first;
                var packed = workers.Scratch(depth * padded);
                b.Pack(first, depth, column, part.Columns, TTile.Columns, packed);
                fixed (float* pinnedA = a.Array, pinnedC = part.Data, pinnedD = sum?.Data)
                {
                    var (origin, rowStride, columnStride) = a.Address(pinnedA);
                    var left = (float*)origin + row * rowStride + first * columnStride;
                    var addend = sum is { } matrix ? pinnedD + matrix.Offset : null;
                    for (var at = 0; at < part.Columns; at += TTile.Columns)
                        Tiles<TTile>.Multiply(part.Rows, Math.Min(TTile.Columns, part.Columns - at), left, rowStride, columnStride, packed + (nint)at * depth, depth,
                            pinnedC + part.Offset + at, part.Stride, alpha, addend is null ? null : addend + at, sum?.Stride ?? 0);
                }
                sum = part;
            }
            return sum;
        }
    }
}
