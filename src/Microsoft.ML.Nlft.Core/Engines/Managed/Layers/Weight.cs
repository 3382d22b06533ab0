using System.Buffers;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A weight of the base model: frozen, in the type it has in the file or rounded to int8 (a vector is copied to float32), or a trainable
/// <see cref="Layers.Parameter"/>. A matrix is out x in, a vector 1 x n.
/// </summary>
internal sealed unsafe class Weight : IDisposable
{
    private readonly MemoryHandle _pin;
    private readonly Int8Matrix? _int8;
    private readonly float[]? _values;

    public Weight(ModelFolder folder, string name, int rows, int columns, bool vector, bool trainable, bool int8 = false)
    {
        (Name, Rows, Columns) = (name, rows, columns);
        if (int8 && !vector && !trainable)
        {
            _int8 = new Int8Matrix(rows, columns, folder.ReadRows(name, rows, columns).Read); // never held as a whole in the file's type
            Operand = _int8.Operand;
            return;
        }
        var tensor = vector ? folder.Tensor(name, columns) : folder.Tensor(name, rows, columns);
        if (trainable || vector || tensor.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16))
        {
            _values = new float[rows * columns];
            tensor.Read(_values);
            if (trainable) Parameter = new Parameter(name, vector ? [columns] : [rows, columns], _values);
            Operand = new Operand(new Matrix(_values, rows, columns));
        }
        else
        {
            _pin = tensor.Bytes.Pin();
            Operand = new Operand((byte*)_pin.Pointer, tensor.Type, rows, columns);
        }
    }

    public string Name { get; }
    public int Rows { get; }
    public int Columns { get; }

    /// <summary>The trainable tensor, or null when frozen.</summary>
    public Parameter? Parameter { get; }

    /// <summary>The matrix as a factor of a product.</summary>
    public Operand Operand { get; }

    /// <summary>The values of a vector.</summary>
    public ReadOnlySpan<float> Vector => _values ?? throw new InvalidOperationException($"{Name} is not held as float32.");

    /// <summary>The gradient as a matrix.</summary>
    public Matrix Gradient => new(Parameter!.Gradient, Rows, Columns);

    /// <summary>The vector as the same row <paramref name="rows"/> times.</summary>
    public Matrix RepeatedRow(int rows) => new(_values!, 0, rows, Columns, Stride: 0);

    /// <summary>Copies one row as float32.</summary>
    public void ReadRow(int row, Span<float> destination) => Operand.ReadRow(row, destination);

    public void Dispose()
    {
        _pin.Dispose();
        _int8?.Dispose();
    }
}
