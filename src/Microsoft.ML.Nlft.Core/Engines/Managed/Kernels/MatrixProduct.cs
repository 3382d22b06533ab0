using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A B, one summand of a product.</summary>
/// <param name="A">The left factor, a float matrix.</param>
/// <param name="B">The right factor.</param>
internal readonly record struct Term(Operand A, Operand B);

/// <summary>
/// C = D + alpha (A B + A2 B2), where the second term is what a LoRA adapter adds. A thread packs a few panels of B, each a tile wide, and lets all rows of
/// A pass by them. Panels are shared out over threads, sums are not: an element of C is summed in the order of the terms and of k, whatever the
/// threads or the shape around it.
/// </summary>
internal static unsafe class MatrixProduct
{
    private const int Deepest = 1024, MostColumns = 64, LeftFloats = 49152; // of panels packed at a time, and of A beside them: together a second-level cache
    private const int RowsPerTask = 768, LeastRowsPerTask = 24;
    private const long SequentialBelow = 1L << 17; // multiply-adds: below this, sharing out costs more than it brings

    /// <summary>C[M x N] (+)= alpha A[M x K] B[K x N].</summary>
    public static void Multiply(Workers workers, Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        Multiply(workers, c, accumulate ? c : null, new Term(a, b), null, alpha);

    /// <summary>C[M x N] = D + alpha times the terms, each [M x K] times [K x N] with a K of its own.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="c">The result.</param>
    /// <param name="d">What is added to, of the shape of <paramref name="c"/>: <paramref name="c"/> itself to accumulate, null for nothing.</param>
    /// <param name="term">The product.</param>
    /// <param name="second">A second product, or null.</param>
    /// <param name="alpha">The factor on both.</param>
    public static void Multiply(Workers workers, Matrix c, Matrix? d, Term term, Term? second = null, float alpha = 1)
    {
        if (Vector512.IsHardwareAccelerated) Multiply<Tile512>(workers, c, d, term, second, alpha);
        else Multiply<Tile256>(workers, c, d, term, second, alpha);
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

    internal static void Multiply<TTile>(Workers workers, Matrix c, Matrix? d, Term term, Term? second = null, float alpha = 1) where TTile : ITile
    {
        if (d is { } addend && (addend.Rows != c.Rows || addend.Columns != c.Columns))
            throw new ArgumentException($"[{addend.Rows} x {addend.Columns}] cannot be added to [{c.Rows} x {c.Columns}].");
        var work = Check(term, c) + (second is { } other ? Check(other, c) : 0);
        var (product, panels) = (new Product(workers, c, d, term, second, alpha), (c.Columns + TTile.Columns - 1) / TTile.Columns);
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

    private readonly struct Product(Workers workers, Matrix c, Matrix? d, Term term, Term? second, float alpha)
    {
        public Matrix C => c;

        /// <summary>Computes columns [column, end) of rows [row, row + rows).</summary>
        public void Compute<TTile>(int column, int end, int row, int rows) where TTile : ITile
        {
            var part = c.Part(row, rows, column, Math.Min(end, c.Columns) - column);
            var sum = d?.Part(row, rows, column, part.Columns); // what to add to: D, then C itself
            var (padded, blocks) = ((part.Columns + TTile.Columns - 1) / TTile.Columns * TTile.Columns, Math.Max(1, (term.A.Columns + Deepest - 1) / Deepest));
            var left = stackalloc LeftFactor[2];
            for (var block = 0; block < blocks; block++)
            {
                int first = (int)((long)term.A.Columns * block / blocks), depth = (int)((long)term.A.Columns * (block + 1) / blocks) - first;
                var last = block == blocks - 1 ? second : null; // goes along with the last block
                var secondDepth = last?.A.Columns ?? 0;
                var packed = workers.Scratch((depth + secondDepth) * padded);
                term.B.Pack(first, depth, column, part.Columns, TTile.Columns, depth + secondDepth, packed);
                last?.B.Pack(0, secondDepth, column, part.Columns, TTile.Columns, depth + secondDepth, packed + (nint)depth * TTile.Columns);
                fixed (float* pinnedA = term.A.Array, pinnedSecond = last?.A.Array, pinnedC = part.Data, pinnedD = sum?.Data)
                {
                    left[0] = term.A.Left(pinnedA, row, first, depth);
                    if (last is { } other) left[1] = other.A.Left(pinnedSecond, row, 0, secondDepth);
                    float* target = pinnedC + part.Offset, addend = sum is { } matrix ? pinnedD + matrix.Offset : null;
                    // A block of rows meets all panels while it is in the second-level cache with them.
                    var height = Math.Max(1, LeftFloats / Math.Max(1, depth) / TTile.Rows) * TTile.Rows;
                    var dRow = sum?.Stride ?? 0;
                    for (var top = 0; top < rows; top += height)
                        for (var at = 0; at < part.Columns; at += TTile.Columns)
                            Tiles<TTile>.Multiply(Math.Min(height, rows - top), Math.Min(TTile.Columns, part.Columns - at), left, last is null ? 1 : 2, top,
                                packed + (nint)at * (depth + secondDepth), target + at + (nint)top * part.Stride, part.Stride, alpha,
                                addend is null ? null : addend + at + (nint)top * dRow, dRow);
                }
                sum = part;
            }
        }
    }
}
