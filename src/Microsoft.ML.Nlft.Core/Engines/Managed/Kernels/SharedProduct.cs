namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// How a product is shared out over threads: groups of panels, alike or different by one, as many for every thread, and where there are few panels, the rows
/// too. A piece of work is a group and its rows.
/// </summary>
internal readonly unsafe struct SharedProduct<TTile> where TTile : ITile
{
    private const int Deepest = 2048, MostColumns = 64, LeftFloats = 49152; // of the panels at a time, and of A beside them: together a second-level cache
    private const int MostColumnsForFew = 512; // when panels go by once, since all rows of A stay: long runs of memory
    private const int LeastRows = 24; // of a piece

    private readonly Product _product;
    private readonly int _threads, _panels, _groups, _rowsAtATime, _first;

    /// <param name="product">The product.</param>
    /// <param name="threads">Threads that share it.</param>
    /// <param name="first">Number of its first piece.</param>
    public SharedProduct(in Product product, int threads, int first)
    {
        (_product, _threads, _first) = (product, threads, first);
        var rows = product.C.Rows;
        _panels = (product.C.Columns + TTile.Columns - 1) / TTile.Columns;
        var once = product.Term.B.InPlace is not null && rows <= RowBlock(product.Term.A.Columns);
        var most = threads * (once ? MostColumnsForFew : MostColumns) / TTile.Columns;
        _groups = Math.Min(_panels, threads * ((_panels + most - 1) / most));
        for (var alike = _groups; alike > 0 && alike <= Math.Min(_panels, 2 * _groups); alike += threads) // rather more of them, if all are alike
            if (_panels % alike == 0)
            {
                _groups = alike;
                break;
            }
        var parts = threads == 1 || _groups == 0 ? 1 : Math.Clamp(4 * threads / _groups, 1, Math.Max(1, rows / LeastRows));
        _rowsAtATime = parts == 1 ? rows : ((rows + parts - 1) / parts + TTile.Rows - 1) / TTile.Rows * TTile.Rows;
        End = first + (rows == 0 ? 0 : _groups * RowParts);
    }

    /// <summary>The number after its last piece.</summary>
    public int End { get; }

    private int RowParts => (_product.C.Rows + _rowsAtATime - 1) / _rowsAtATime;

    /// <summary>Computes one piece.</summary>
    public void Run(Workers workers, int piece)
    {
        var (group, part) = Math.DivRem(piece - _first, RowParts);
        var row = part * _rowsAtATime;
        Compute(workers, group, row, Math.Min(_rowsAtATime, _product.C.Rows - row));
    }

    /// <summary>The rows of A that meet all panels of a group while they are in the second-level cache with them.</summary>
    private static int RowBlock(int depth) => Math.Max(1, LeftFloats / Math.Clamp(depth, 1, Deepest) / TTile.Rows) * TTile.Rows;

    /// <summary>The first column of a group.</summary>
    private int Column(int group) => (int)((long)_panels * group / _groups) * TTile.Columns;

    private void Compute(Workers workers, int group, int row, int rows)
    {
        var (term, column, depths) = (_product.Term, Column(group), (_product.Term.A.Columns + Deepest - 1) / Deepest);
        var c = _product.C.Part(row, rows, column, Math.Min(Column(group + 1), _product.C.Columns) - column);
        var d = _product.D?.Part(row, rows, column, c.Columns); // what to add to: D, then C itself
        var padded = (c.Columns + TTile.Columns - 1) / TTile.Columns * TTile.Columns;
        var weight = term.B.InPlace;
        var multiply = weight is null ? &Tiles<TTile>.Multiply<Float32> : weight.Kernel<TTile>();
        for (int block = 0, first = 0; block < Math.Max(1, depths); block++)
        {
            var last = block >= depths - 1;
            var depth = last ? term.A.Columns - first : (int)((long)term.A.Columns * (block + 1) / depths) / 8 * 8 - first;
            var second = last ? _product.Second : null; // goes along with the last block
            var secondDepth = second?.A.Columns ?? 0;
            var secondPanels = workers.Scratch((secondDepth + (weight is null ? depth : 0)) * padded);
            var panels = weight is null ? (byte*)(secondPanels + (nint)secondDepth * padded) : weight.PanelAt(term.B.WeightRow(column)) + first * weight.RowBytes;
            var panelBytes = weight?.PanelBytes ?? (nint)depth * TTile.Columns * sizeof(float);
            if (weight is null) term.B.Pack(first, depth, column, c.Columns, TTile.Columns, (float*)panels);
            second?.B.Pack(0, secondDepth, column, c.Columns, TTile.Columns, secondPanels);

            // What will be read from memory next: the next panel, which later rows find in the cache; at last the first one of a piece that may be this thread's.
            var later = weight is null || group + _threads >= _groups ? null : weight.PanelAt(term.B.WeightRow(Column(group + _threads))) + first * weight.RowBytes;
            var height = RowBlock(depth);
            fixed (float* pinnedA = term.A.Matrix?.Data, pinnedA2 = second?.A.Matrix?.Data, pinnedC = c.Data, pinnedD = d?.Data)
                for (var top = 0; top < rows; top += height)
                {
                    var tiles = new TileColumn
                    {
                        Rows = Math.Min(height, rows - top), Alpha = _product.Alpha, B = panels, Scales = weight is null ? null : weight.Scales(term.B.WeightRow(column)), B2 = secondPanels,
                        A = term.A.Left(pinnedA, row + top, first, depth), A2 = second is { } other ? other.A.Left(pinnedA2, row + top, 0, secondDepth) : default,
                        C = pinnedC + c.Index(top, 0), CRow = c.Stride, D = d is { } addend ? pinnedD + addend.Index(top, 0) : null, DRow = d?.Stride ?? 0,
                    };
                    for (var left = c.Columns; left > 0; left -= TTile.Columns)
                    {
                        if (weight is not null) tiles.Ask(left > TTile.Columns ? top == 0 ? tiles.B + panelBytes : null : top + height >= rows ? later : null, depth * weight.RowBytes);
                        multiply(tiles, Math.Min(TTile.Columns, left));
                        tiles.Advance(panelBytes, TTile.Columns, secondDepth);
                    }
                }
            (first, d) = (first + depth, c);
        }
    }
}
