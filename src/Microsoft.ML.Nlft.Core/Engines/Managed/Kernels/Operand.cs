namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A factor of a matrix product, possibly transposed: a float32 matrix or, on the right only, rows of a <see cref="PackedWeight"/>.
/// </summary>
internal readonly unsafe record struct Operand
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

    /// <summary>The float32 matrix as stored, before any transposition; null for a weight.</summary>
    public Matrix? Matrix => _weight is null ? _matrix : null;

    /// <summary>
    /// The weight whose panels a product of that many rows reads in place, as panels of this factor, W^T; null for a factor that must be packed
    /// first.
    /// </summary>
    public PackedWeight? Prepacked(int rows) => _transposed && rows <= _weight?.MaximumRows ? _weight : null;

    /// <summary>The weight whose panels a product in <see cref="Digits"/> reads, as panels of this factor, W^T; null for another factor.</summary>
    public PackedWeight? ForDigits => _transposed && _weight is { MeetsDigits: true } ? _weight : null;

    /// <summary>A row of a float32 matrix that is not transposed.</summary>
    public ReadOnlySpan<float> Row(int row) =>
        _weight is null && !_transposed ? _matrix[row] : throw new InvalidOperationException("This factor has no rows in memory.");

    /// <summary>Where the depth of a product may be split: at multiples of this.</summary>
    public int DepthStep => _weight?.BlockRows ?? 8;

    /// <summary>The row of the weight that is column <paramref name="column"/> of W^T.</summary>
    public int WeightRow(int column) => _firstRow + column;

    /// <summary>Rows [row, row + rows) of a factor that is not transposed. In a weight, <paramref name="row"/> must start a panel.</summary>
    public Operand RowRange(int row, int rows)
    {
        if (_transposed) throw new InvalidOperationException("Take rows before transposing.");
        if (_weight is null) return new(_matrix.RowRange(row, rows));
        if (row % _weight.Width != 0) throw new ArgumentException($"Row {row} does not start a panel.", nameof(row));
        return new(default, _weight, _firstRow + row, rows, Columns, false);
    }

    /// <summary>
    /// Columns [column, column + depth) from row <paramref name="row"/> on, as a left factor. <paramref name="data"/> is the pinned array.
    /// </summary>
    public StridedMatrix ToStrided(float* data, int row, int column, int depth)
    {
        var (rowStride, columnStride) = _transposed ? (1, _matrix.Stride) : ((nint)_matrix.Stride, 1);
        return new StridedMatrix(data + _matrix.Offset + row * rowStride + column * columnStride, rowStride, columnStride, depth);
    }

    /// <summary>
    /// Packs columns [column, column + columns) of rows [row, row + depth) into panels of <paramref name="width"/> columns;
    /// see <see cref="Panel.Pack"/>.
    /// </summary>
    public void Pack(int row, int depth, int column, int columns, int width, float* panels)
    {
        if (_weight is not null)
        {
            if (_transposed) _weight.Unpack(_firstRow + column, columns, row, depth, panels);
            else _weight.Repack(_firstRow + row, depth, column, columns, panels);
            return;
        }
        var (first, offset) = _transposed ? (column, row) : (row, column); // of the matrix as stored
        fixed (float* data = _matrix.Data)
            Panel.Pack(data + _matrix.Index(first, offset), _matrix.Stride, _transposed, depth, columns, width, panels);
    }
}
