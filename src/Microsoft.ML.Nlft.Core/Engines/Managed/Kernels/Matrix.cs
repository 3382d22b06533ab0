namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A row-major float32 matrix: a view of an array or of a part of it, never a copy.</summary>
/// <param name="Data">The array.</param>
/// <param name="Offset">Index of element [0, 0] in the array.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Columns">Number of columns.</param>
/// <param name="Stride">Elements from one row to the next; 0 repeats one row.</param>
internal readonly record struct Matrix(float[] Data, int Offset, int Rows, int Columns, int Stride)
{
    public Matrix(float[] data, int rows, int columns) : this(data, 0, rows, columns, columns) { }

    public static Matrix Zeros(int rows, int columns) => new(new float[rows * columns], rows, columns);

    /// <summary>Row <paramref name="row"/> as a span.</summary>
    public Span<float> this[int row] => Data.AsSpan(Offset + row * Stride, Columns);

    /// <summary>Index of an element in the array.</summary>
    public int Index(int row, int column) => Offset + row * Stride + column;

    /// <summary>All elements of a matrix whose rows are contiguous.</summary>
    public Span<float> Span => Stride == Columns ? Data.AsSpan(Offset, Rows * Columns)
        : throw new InvalidOperationException("The rows are not contiguous.");

    /// <summary>The block of <paramref name="rows"/> x <paramref name="columns"/> elements whose first element is [row, column].</summary>
    public Matrix Slice(int row, int rows, int column, int columns) => new(Data, Offset + row * Stride + column, rows, columns, Stride);

    /// <summary>Rows [row, row + rows).</summary>
    public Matrix RowRange(int row, int rows) => Slice(row, rows, 0, Columns);

    public void Clear()
    {
        for (var i = 0; i < Rows; i++) this[i].Clear();
    }

    public void CopyTo(Matrix destination)
    {
        for (var i = 0; i < Rows; i++) this[i].CopyTo(destination[i]);
    }
}
