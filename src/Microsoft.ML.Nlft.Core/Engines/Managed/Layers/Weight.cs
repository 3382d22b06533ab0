using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A weight of the base model: a frozen matrix, packed in the type or the blocks of the file or quantized to 8 or 4 bits; a frozen vector, in
/// float32; or a trainable <see cref="Layers.Parameter"/>. A matrix is [out x in], a vector [1 x n]. A matrix that the files hold transposed is
/// turned as it is packed; as a parameter it keeps the shape of the files.
/// </summary>
internal sealed class Weight : IDisposable
{
    private readonly PackedWeight? _packed;
    private readonly float[]? _values;
    private int _users = 1;

    public Weight(ModelFolder folder, string name, int rows, int columns, bool vector, bool trainable, int? bits = null, bool transposed = false)
    {
        (Name, Rows, Columns, IsTransposed) = (name, rows, columns, transposed);
        if (!vector && !trainable)
        {
            _packed = transposed ? PackTransposed(folder.Tensor(name, columns, rows), bits) : Pack(folder.ReadRows(name, rows, columns), bits);
            Operand = new Operand(_packed);
            return;
        }
        _values = new float[rows * columns];
        int[] shape = vector ? [columns] : transposed ? [columns, rows] : [rows, columns];
        folder.Tensor(name, [.. shape.Select(size => (long)size)]).Read(_values);
        if (trainable) Parameter = new Parameter(name, shape, _values);
        Operand = AsMatrix(_values);
    }

    /// <summary>Wraps a trainable tensor.</summary>
    public Weight(Parameter parameter)
    {
        (Name, _values, Parameter) = (parameter.Name, parameter.Values, parameter);
        (Rows, Columns) = parameter.Shape.Length == 1 ? (1, parameter.Shape[0]) : (parameter.Shape[0], parameter.Shape[1]);
        Operand = new Operand(new Matrix(_values, Rows, Columns));
    }

    /// <summary>Packs a frozen matrix.</summary>
    public Weight(NamedTensor tensor)
    {
        (Name, Rows, Columns) = (tensor.Name, tensor.Shape[0], tensor.Shape[1]);
        var columns = Columns;
        _packed = PackedWeight.Create(TensorType.F32, Rows, Columns, (row, values) => tensor.Values.AsSpan(row * columns, columns).CopyTo(values),
            Panel.Width);
        Operand = new Operand(_packed);
    }

    public string Name { get; }
    public int Rows { get; }
    public int Columns { get; }

    /// <summary>The trainable tensor, or null if frozen.</summary>
    public Parameter? Parameter { get; }

    /// <summary>The matrix as a factor of a product.</summary>
    public Operand Operand { get; }

    /// <summary>The values of a vector.</summary>
    public ReadOnlySpan<float> Vector => _values ?? throw new InvalidOperationException($"{Name} is packed, not a float32 vector.");

    /// <summary>Whether the files hold the matrix as [in x out].</summary>
    public bool IsTransposed { get; }

    /// <summary>The gradient as a matrix of the shape of the parameter.</summary>
    public Matrix Gradient => IsTransposed ? new(Parameter!.Gradient, Columns, Rows) : new(Parameter!.Gradient, Rows, Columns);

    /// <summary>The vector as a matrix that repeats it in <paramref name="rows"/> rows.</summary>
    public Matrix RepeatedRow(int rows) => new(_values!, 0, rows, Columns, Stride: 0);

    /// <summary>Copies one row as float32.</summary>
    public void ReadRow(int row, Span<float> destination)
    {
        if (_packed is not null) _packed.ReadRow(row, destination);
        else _values.AsSpan(row * Columns, Columns).CopyTo(destination);
    }

    /// <summary>Returns the sum of squares of every row.</summary>
    public double[] SquaredNorms()
    {
        var (norms, row) = (new double[Rows], new float[Columns]);
        for (var i = 0; i < Rows; i++)
        {
            ReadRow(i, row);
            norms[i] = VectorMath.SumOfSquares(row);
        }
        return norms;
    }

    /// <summary>Returns this frozen weight for one more network, which disposes it too.</summary>
    public Weight Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>Frees the weight when the last network that uses it disposes it.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) == 0) _packed?.Dispose();
    }

    private Operand AsMatrix(float[] values) =>
        IsTransposed ? new Operand(new Matrix(values, Columns, Rows)).Transposed : new Operand(new Matrix(values, Rows, Columns));

    /// <summary>Packs a matrix row by row: as a whole it is never in memory unpacked.</summary>
    private PackedWeight Pack(TensorRows stored, int? bits) => bits is null && stored.Blocks is { } blocks
        ? PackedWeight.Create(blocks, Rows, Columns, stored.ReadBlocks, Panel.Width) : Pack(stored.Type, stored.Read, bits);

    private PackedWeight PackTransposed(TensorData stored, int? bits)
    {
        var values = stored.ToArray();
        return Pack(stored.Type, Read, bits);

        void Read(int row, Span<float> destination)
        {
            for (var i = 0; i < destination.Length; i++) destination[i] = values[i * Rows + row];
        }
    }

    private PackedWeight Pack(TensorType type, Action<int, Span<float>> readRow, int? bits) => bits == 4
        ? PackedWeight.CreateNibbles(Rows, Columns, readRow, Panel.Width)
        : PackedWeight.Create(bits == 8 ? TensorType.I8 : type is TensorType.F64 ? TensorType.F32 : type, Rows, Columns, readRow, Panel.Width);
}
