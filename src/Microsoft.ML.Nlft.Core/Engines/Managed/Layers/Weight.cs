using System.Buffers;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A weight of the base model: frozen, read where it lies in the mapped file (a vector is copied to float32), or a trainable
/// <see cref="Layers.Parameter"/>. A matrix is out x in, a vector 1 x n.
/// </summary>
internal sealed unsafe class Weight : IDisposable
{
    private readonly MemoryHandle _pin;
    private readonly byte* _mapped;
    private readonly TensorType _type;
    private readonly float[]? _values;

    public Weight(ModelFolder folder, string name, int rows, int columns, bool vector, bool trainable)
    {
        var tensor = vector ? folder.Tensor(name, columns) : folder.Tensor(name, rows, columns);
        (Name, Rows, Columns, _type) = (name, rows, columns, tensor.Type);
        if (trainable || vector || tensor.Type is not (TensorType.F32 or TensorType.F16 or TensorType.BF16))
        {
            _values = new float[rows * columns];
            TensorConversion.ToSingle(tensor.Type, tensor.Bytes.Span, _values);
            if (trainable) Parameter = new Parameter(name, vector ? [columns] : [rows, columns], _values);
        }
        else
        {
            _pin = tensor.Bytes.Pin();
            _mapped = (byte*)_pin.Pointer;
        }
    }

    public string Name { get; }
    public int Rows { get; }
    public int Columns { get; }

    /// <summary>The trainable tensor, or null when frozen.</summary>
    public Parameter? Parameter { get; }

    /// <summary>The matrix as a factor of a product.</summary>
    public Operand Operand => _values is not null ? new Operand(new Matrix(_values, Rows, Columns)) : new Operand(_mapped, _type, Rows, Columns);

    /// <summary>The values of a vector.</summary>
    public ReadOnlySpan<float> Vector => _values ?? throw new InvalidOperationException($"{Name} is not held as float32.");

    /// <summary>The gradient as a matrix.</summary>
    public Matrix Gradient => new(Parameter!.Gradient, Rows, Columns);

    /// <summary>Copies one row as float32.</summary>
    public void ReadRow(int row, Span<float> destination)
    {
        if (_values is not null)
            _values.AsSpan(row * Columns, Columns).CopyTo(destination);
        else
            fixed (float* target = destination)
                Operand.Widen(_mapped + (nint)row * Columns * (_type == TensorType.F32 ? 4 : 2), _type, target, Columns);
    }

    public void Dispose() => _pin.Dispose();
}
