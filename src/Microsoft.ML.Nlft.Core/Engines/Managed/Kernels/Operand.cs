namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>One factor of a matrix product, possibly transposed: a float matrix, or, on the right, rows of a <see cref="PackedWeight"/>.</summary>
internal readonly unsafe struct Operand
{
    private readonly Matrix _matrix;
    private readonly PackedWeight? _weight;
    private readonly int _firstRow; // of the weight
    private readonly bool _transposed;

    private Operand(Matrix matrix, PackedWeight? weight, int firstRow, int rows, int columns, bool transposed) =>
        (_matrix, _weight, _firstRow, Rows, Columns, _transposed) = (matrix, weight, firstRow, rows, columns, transposed);

    public Operand(Matrix matrix) : this(matrix, null, 0, matrix.Rows, matrix.Columns, false) { }

    public Operand(PackedWeight weight) : this(default, weight, 0, weight.Rows, weight.Columns, false) { }

    public static implicit operator Operand(Matrix matrix) => new(matrix);

    public int Rows { get; }
    public int Columns { get; }

    public Operand Transposed => new(_matrix, _weight, _firstRow, Columns, Rows, !_transposed);

    /// <summary>The float matrix, as it lies; null for a weight.</summary>
    public Matrix? Matrix => _weight is null ? _matrix : null;

    /// <summary>The weight whose panels are those of this factor, W^T; null for whatever has to be packed first.</summary>
    public PackedWeight? InPlace => _transposed ? _weight : null;

    /// <summary>The weight's row that column <paramref name="column"/> of W^T is.</summary>
    public int WeightRow(int column) => _firstRow + column;

    /// <summary>Rows [row, row + rows) of a factor that is not transposed; of a weight from the beginning of a panel on.</summary>
    public Operand RowRange(int row, int rows)
    {
        if (_transposed) throw new InvalidOperationException("Take rows before transposing.");
        if (_weight is null) return new(_matrix.RowRange(row, rows));
        return row % _weight.Width == 0 ? new(default, _weight, _firstRow + row, rows, Columns, false) : throw new ArgumentException($"Row {row} begins no panel.", nameof(row));
    }

    /// <summary>Columns [column, column + depth) from row <paramref name="row"/> on as a left factor, in an array pinned at <paramref name="pinned"/>.</summary>
    public LeftFactor Left(float* pinned, int row, int column, int depth)
    {
        var (rowStride, columnStride) = _transposed ? (1, _matrix.Stride) : ((nint)_matrix.Stride, 1);
        return new LeftFactor(pinned + _matrix.Offset + row * rowStride + column * columnStride, rowStride, columnStride, depth);
    }

    /// <summary>Packs columns [column, column + columns) of rows [row, row + depth) into panels of a width; see <see cref="Panel.Pack"/>.</summary>
    public void Pack(int row, int depth, int column, int columns, int width, float* panels)
    {
        if (_weight is not null)
        {
            _weight.Unpack(_firstRow + row, depth, column, columns, panels);
            return;
        }
        var (first, offset) = _transposed ? (column, row) : (row, column); // of the matrix as it lies
        fixed (float* pinned = _matrix.Data)
            Panel.Pack(pinned + _matrix.Index(first, offset), _matrix.Stride, _transposed, depth, columns, width, panels);
    }
}
