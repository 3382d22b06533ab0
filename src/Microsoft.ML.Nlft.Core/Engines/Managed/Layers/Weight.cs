using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A weight of the base model: a frozen matrix, packed in the type of the file or quantized to 8 or 4 bits; a frozen vector, in float32; or a
/// trainable <see cref="Layers.Parameter"/>. A matrix is [out x in], a vector [1 x n].
/// </summary>
internal sealed class Weight : IDisposable
{
    private readonly PackedWeight? _packed;
    private readonly float[]? _values;

    public Weight(ModelFolder folder, string name, int rows, int columns, bool vector, bool trainable, int? bits = null)
    {
        (Name, Rows, Columns) = (name, rows, columns);
        if (!vector && !trainable)
        {
            var stored = folder.ReadRows(name, rows, columns); // row by row: the unpacked matrix is never in memory as a whole
            var type = bits == 8 ? TensorType.I8 : stored.Type is TensorType.F64 ? TensorType.F32 : stored.Type;
            _packed = bits == 4 ? new BlockWeight<Nibble>(rows, columns, stored.Read, Panel.Width)
                : PackedWeight.Create(type, rows, columns, stored.Read, Panel.Width);
            Operand = new Operand(_packed);
            return;
        }
        _values = new float[rows * columns];
        (vector ? folder.Tensor(name, columns) : folder.Tensor(name, rows, columns)).Read(_values);
        if (trainable) Parameter = new Parameter(name, vector ? [columns] : [rows, columns], _values);
        Operand = new Operand(new Matrix(_values, rows, columns));
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

    /// <summary>The gradient as a matrix.</summary>
    public Matrix Gradient => new(Parameter!.Gradient, Rows, Columns);

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
}
