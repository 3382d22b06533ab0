using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// A matrix [out, in] or vector of the base model on the device: frozen in the compute type, as int8 with one scale per row or in blocks of 4 bits,
/// or a trainable <see cref="Layers.Parameter"/> in float32. A matrix that the files hold transposed is turned as it is loaded; as a parameter it
/// keeps their shape.
/// </summary>
internal sealed class Weight : IDisposable
{
    private readonly ScalarType _compute;
    private readonly Tensor _values = null!; // unless there are blocks
    private readonly BlockMatrix? _blocks;
    private int _users = 1;
    private readonly bool _transposed; // a parameter of the shape [in, out]
    private Tensor? _turned; // a view

    /// <summary>Loads a frozen weight, in the compute type or rounded to 8 or 4 bits.</summary>
    public Weight(TensorData data, DeviceContext context, int? bits, bool transposed = false)
    {
        _compute = context.ComputeType;
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        // On the CPU, the file is widened as it is read: a temporary copy would leave a hole in the heap.
        var stored = FromFile(data, widen: _compute == float32 && context.Device.type == DeviceType.CPU).to(context.Device);
        if (transposed) stored = stored.t().contiguous();
        if (bits == 4) _blocks = new BlockMatrix(stored);
        else if (bits == 8) (_values, Scales) = Quantize(stored);
        else _values = stored.to_type(_compute).DetachFromDisposeScope();
    }

    /// <summary>Copies frozen matrices, or vectors, of equal inputs one below the other: one product gives the outputs of all.</summary>
    public Weight(IReadOnlyList<Weight> parts, DeviceContext context)
    {
        _compute = context.ComputeType;
        using var noGradient = no_grad();
        if (parts[0]._blocks is not null) _blocks = BlockMatrix.Stack([.. parts.Select(part => part._blocks!)]);
        else _values = cat([.. parts.Select(part => part._values)]).DetachFromDisposeScope();
        if (parts[0].Scales is not null) Scales = cat([.. parts.Select(part => part.Scales!)]).DetachFromDisposeScope();
    }

    /// <summary>Shows some rows of a frozen weight.</summary>
    public Weight(Weight whole, long first, long count)
    {
        _compute = whole._compute;
        if (whole._blocks is not null) _blocks = whole._blocks.Rows(first, count);
        else _values = whole._values.narrow(0, first, count).DetachFromDisposeScope();
        Scales = whole.Scales?.narrow(0, first, count).DetachFromDisposeScope();
    }

    /// <summary>Copies a frozen matrix to the device.</summary>
    public Weight(NamedTensor values, DeviceContext context)
    {
        _compute = context.ComputeType;
        using var scope = NewDisposeScope();
        _values = tensor(values.Values, [.. values.Shape.Select(size => (long)size)]).to(context.Device).to_type(_compute).DetachFromDisposeScope();
    }

    /// <summary>Wraps a trainable weight, whose values are already in the parameter.</summary>
    public Weight(Parameter parameter, DeviceContext context, bool transposed = false) =>
        (_compute, _values, Parameter, _transposed) = (context.ComputeType, parameter.Values, parameter, transposed);

    /// <summary>The trainable tensor, or null if frozen.</summary>
    public Parameter? Parameter { get; }

    /// <summary>
    /// The scale of every row (out) in the compute type, or null if the values are not int8. A weight is its entry of <see cref="Values"/> times the
    /// scale of its row.
    /// </summary>
    public Tensor? Scales { get; }

    /// <summary>The values in the compute type; 8 and 4 bits are widened at every call, 8 bits without their scales.</summary>
    public Tensor Values => _blocks is not null ? _blocks.Widen(_compute)
        : _transposed ? _values.t().to_type(_compute) : _values.dtype == _compute ? _values : _values.to_type(_compute);

    /// <summary>The transposed values of a matrix, [in, out], as a product with rows needs them.</summary>
    public Tensor Transposed => Parameter is not null || _blocks is not null || _values.dtype != _compute ? Values.t()
        : _turned ??= _values.t().DetachFromDisposeScope();

    public long Rows => _values.shape[0];

    public long Columns => _values.shape[1];

    /// <summary>Returns rows [first, first + count) in the compute type.</summary>
    public Tensor Range(long first, long count) => count == _values.shape[0] ? Values : _values.narrow(0, first, count).to_type(_compute);

    /// <summary>Returns the rows at some indices in the compute type.</summary>
    public Tensor Select(Tensor indices) => _values.index_select(0, indices).to_type(_compute);

    /// <summary>Returns this frozen weight for one more network, which disposes it too.</summary>
    public Weight Share()
    {
        Interlocked.Increment(ref _users);
        return this;
    }

    /// <summary>Frees the weight when the last network that uses it disposes it.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) > 0) return;
        _turned?.Dispose();
        if (Parameter is null) _values?.Dispose();
        _blocks?.Dispose();
        Scales?.Dispose();
    }

    /// <summary>Reads a tensor from the file into host memory, in the type of the file or widened to float32.</summary>
    public static Tensor FromFile(TensorData data, bool widen = false)
    {
        var type = data.Type switch
        {
            _ when widen => ScalarType.Float32,
            TensorType.F32 => ScalarType.Float32,
            TensorType.F16 => ScalarType.Float16,
            TensorType.BF16 => ScalarType.BFloat16,
            TensorType.F64 => ScalarType.Float64,
            _ => throw new ArgumentOutOfRangeException(nameof(data), data.Type, "The tensor is not of a floating-point type."),
        };
        var tensor = empty(data.Shape, type, new Device(DeviceType.CPU));
        if (widen) data.Read(MemoryMarshal.Cast<byte, float>(tensor.bytes));
        else data.Read(tensor.bytes);
        return tensor;
    }

    /// <summary>
    /// Quantizes by row: q = round(w / s), s = max |w| / 127. The scale s is rounded to the compute type first, so that q s is exactly the weight
    /// that products use.
    /// </summary>
    private (Tensor Values, Tensor Scales) Quantize(Tensor weight)
    {
        using Scalar step = 1.0 / 127, smallest = 1e-30, least = -127, most = 127; // temporary ones could be collected during the native call
        var wide = weight.to_type(ScalarType.Float32);
        var scales = wide.abs().amax([1]).mul(step).clamp_min(smallest).to_type(_compute);
        var values = wide.div(scales.to_type(ScalarType.Float32).unsqueeze(1)).round_().clamp_(least, most).to_type(ScalarType.Int8);
        return (values.DetachFromDisposeScope(), scales.DetachFromDisposeScope());
    }
}
