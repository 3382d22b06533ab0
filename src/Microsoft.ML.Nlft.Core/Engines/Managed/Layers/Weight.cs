using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A weight of the base model: a frozen matrix, packed in the type of the file or quantized to 8 or 4 bits; a frozen vector, in float32; or a
/// trainable <see cref="Layers.Parameter"/>. A matrix is [out x in], a vector [1 x n]. A matrix that the files hold transposed is
/// turned as it is packed; as a parameter it keeps the shape of the files.
/// </summary>
internal sealed class Weight : IDisposable
{
    private readonly PackedWeight? _packed;
    private readonly float[]? _values;

    public Weight(ModelFolder folder, string name, int rows, int columns, bool vector, bool trainable, int? bits = null, bool transposed = false)
    {
        (Name, Rows, Columns, IsTransposed) = (name, rows, columns, transposed);
        if (!vector && !trainable)
        {
            var stored = Stored(folder, name); // row by row: the unpacked matrix is never in memory as a whole
            var type = bits == 8 ? TensorType.I8 : stored.Type is TensorType.F64 ? TensorType.F32 : stored.Type;
            _packed = bits == 4 ? new BlockWeight<Nibble>(rows, columns, stored.Read, Panel.Width)
                : PackedWeight.Create(type, rows, columns, stored.Read, Panel.Width);
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

    public void Dispose() => _packed?.Dispose();

    private Operand AsMatrix(float[] values) =>
        IsTransposed ? new Operand(new Matrix(values, Columns, Rows)).Transposed : new Operand(new Matrix(values, Rows, Columns));

    /// <summary>The type of the stored elements, and a reader of the rows.</summary>
    private (TensorType Type, Action<int, Span<float>> Read) Stored(ModelFolder folder, string name)
    {
        if (!IsTransposed)
        {
            var rows = folder.ReadRows(name, Rows, Columns);
            return (rows.Type, rows.Read);
        }
        var tensor = folder.Tensor(name, Columns, Rows);
        var values = tensor.ToArray();
        return (tensor.Type, (row, destination) =>
        {
            for (var i = 0; i < destination.Length; i++) destination[i] = values[i * Rows + row];
        });
    }
}
