namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Splits a product into tasks for several threads and computes them. A task is a group of adjacent panels; groups differ by one panel at most,
/// and every thread gets as many. Where there are few panels, the rows are split too.
/// </summary>
internal readonly unsafe struct ProductPartition<TTile> where TTile : ITile
{
    // The parts of B and A that a second-level cache holds at a time: columns and depth of B, floats of A.
    private const int MaximumDepth = 2048, MaximumColumns = 64, MaximumLeftFloats = 49152;
    private const int MaximumStreamedColumns = 512; // where all rows of A stay in the cache, each panel is read once: long runs of memory
    private const int MinimumRows = 24; // of a task

    private readonly Product _product;
    private readonly byte* _digits;
    private readonly int _threads, _panels, _groups, _taskRows, _firstTask;

    /// <param name="product">The product.</param>
    /// <param name="digits">Its left factor in whole numbers, if it is a product of those.</param>
    /// <param name="threads">Threads that compute it.</param>
    /// <param name="firstTask">The number of its first task.</param>
    public ProductPartition(in Product product, byte* digits, int threads, int firstTask)
    {
        (_product, _threads, _firstTask) = (product, threads, firstTask);
        _digits = product.ForDigits is null ? null : digits;
        var rows = product.C.Rows;
        _panels = (product.C.Columns + TTile.Columns - 1) / TTile.Columns;
        var streamed = InPlace(rows) is not null && rows <= RowBlock(product.First.A.Columns);
        var perRound = threads * (streamed ? MaximumStreamedColumns : MaximumColumns) / TTile.Columns;
        _groups = Math.Min(_panels, threads * ((_panels + perRound - 1) / perRound));
        for (var equal = _groups; equal > 0 && equal <= Math.Min(_panels, 2 * _groups); equal += threads) // up to twice as many, if all are equal
        {
            if (_panels % equal != 0) continue;
            _groups = equal;
            break;
        }
        // Every part packs the panels of a factor that is not packed yet: few parts then, else more of them to share evenly.
        var tasks = InPlace(rows) is null ? threads : 4 * threads;
        var parts = threads == 1 || _groups == 0 ? 1 : Math.Clamp(tasks / _groups, 1, Math.Max(1, rows / MinimumRows));
        _taskRows = parts == 1 ? rows : ((rows + parts - 1) / parts + TTile.Rows - 1) / TTile.Rows * TTile.Rows;
        End = firstTask + (rows == 0 ? 0 : _groups * RowParts);
    }

    /// <summary>The number after its last task.</summary>
    public int End { get; }

    private int RowParts => (_product.C.Rows + _taskRows - 1) / _taskRows;

    /// <summary>Computes one task.</summary>
    public void Run(Workers workers, int task)
    {
        var (group, part) = Math.DivRem(task - _firstTask, RowParts);
        var row = part * _taskRows;
        Compute(workers, group, row, Math.Min(_taskRows, _product.C.Rows - row));
    }

    /// <summary>The rows of A that meet all panels of a group while both are in the second-level cache.</summary>
    private static int RowBlock(int depth) => Math.Max(1, MaximumLeftFloats / Math.Clamp(depth, 1, MaximumDepth) / TTile.Rows) * TTile.Rows;

    /// <summary>The weight whose panels a product of that many rows reads in place; null if there is none.</summary>
    private PackedWeight? InPlace(int rows) => _digits is null ? _product.First.B.Prepacked(rows) : _product.First.B.ForDigits;

    /// <summary>The first column of a group.</summary>
    private int Column(int group) => (int)((long)_panels * group / _groups) * TTile.Columns;

    /// <summary>Computes rows [row, row + rows) of a group's columns, by blocks of the depth and, within them, by blocks of rows.</summary>
    private void Compute(Workers workers, int group, int row, int rows)
    {
        var (term, column, depths) = (_product.First, Column(group), (_product.First.A.Columns + MaximumDepth - 1) / MaximumDepth);
        var c = _product.C.Slice(row, rows, column, Math.Min(Column(group + 1), _product.C.Columns) - column);
        var d = _product.D?.Slice(row, rows, column, c.Columns); // D for the first block, C itself for the later ones
        var step = term.B.DepthStep;
        var padded = (c.Columns + TTile.Columns - 1) / TTile.Columns * TTile.Columns;
        var weight = InPlace(_product.C.Rows);
        var multiply = weight is null ? &TileLoop<TTile>.Multiply<Float32>
            : _digits is null ? weight.Kernel<TTile>() : &TileLoop<TTile>.MultiplyDigits;
        for (int block = 0, first = 0; block < Math.Max(1, depths); block++)
        {
            var last = block >= depths - 1;
            var depth = last ? term.A.Columns - first : (int)((long)term.A.Columns * (block + 1) / depths) / step * step - first;
            var second = last ? _product.Second : null; // computed along with the last block
            var secondDepth = second?.A.Columns ?? 0;
            var secondPanels = workers.Scratch((secondDepth + (weight is null ? depth : 0)) * padded);
            var panels = weight is null ? (byte*)(secondPanels + (nint)secondDepth * padded) : Panels(weight, column, first);
            var panelBytes = weight?.PanelBytes ?? (nint)depth * TTile.Columns * sizeof(float);
            if (weight is null) term.B.Pack(first, depth, column, c.Columns, TTile.Columns, (float*)panels);
            second?.B.Pack(0, secondDepth, column, c.Columns, TTile.Columns, secondPanels);

            // Prefetched from memory: during the first block of rows, the next panel (later rows find it in the cache); during the last one's last
            // panel, the first panel of a group that this thread may compute next.
            var nextGroup = weight is null || group + _threads >= _groups ? null : Panels(weight, Column(group + _threads), first);
            var height = RowBlock(depth);
            fixed (float* pinnedA = term.A.Matrix?.Data, pinnedA2 = second?.A.Matrix?.Data, pinnedC = c.Data, pinnedD = d?.Data)
            {
                for (var top = 0; top < rows; top += height)
                {
                    var product = new PanelProduct
                    {
                        Rows = Math.Min(height, rows - top),
                        Alpha = _product.Alpha,
                        A = term.A.ToStrided(pinnedA, row + top, first, depth),
                        B = panels,
                        PanelBytes = panelBytes,
                        Digits = _digits is null ? null : _digits + (row + top) * Digits.RowBytes(term.A.Columns) + Digits.RowBytes(first),
                        DigitsRow = Digits.RowBytes(term.A.Columns),
                        HasMinima = _digits is not null && weight!.HasMinima,
                        Scales = weight is null ? null : weight.Scales(term.B.WeightRow(column)),
                        A2 = second is { } other ? other.A.ToStrided(pinnedA2, row + top, 0, secondDepth) : default,
                        B2 = secondPanels,
                        C = pinnedC + c.Index(top, 0),
                        CRow = c.Stride,
                        D = d is { } addend ? pinnedD + addend.Index(top, 0) : null,
                        DRow = d?.Stride ?? 0,
                    };
                    for (int left = c.Columns, columns, wide; left > 0; left -= columns)
                    {
                        wide = rows == 1 && _digits is null && left >= TileLoop<TTile>.RowPanels * TTile.Columns ? TileLoop<TTile>.RowPanels : 1;
                        columns = Math.Min(wide * TTile.Columns, left);
                        if (weight is not null && wide == 1) // two panels are two streams, which the processor itself reads ahead
                        {
                            var next = left > columns ? top == 0 ? product.B + panelBytes : null : top + height >= rows ? nextGroup : null;
                            product.SetPrefetch(next, weight.Offset(depth));
                        }
                        multiply(product, columns);
                        product.Advance(wide, columns);
                    }
                }
            }
            (first, d) = (first + depth, c);
        }
    }

    /// <summary>The panel of a weight that starts with a column of the product, from row <paramref name="first"/> on.</summary>
    private byte* Panels(PackedWeight weight, int column, int first) =>
        weight.PanelAt(_product.First.B.WeightRow(column)) + weight.Offset(first);
}
