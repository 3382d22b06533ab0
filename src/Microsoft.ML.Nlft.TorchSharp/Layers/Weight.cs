using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// A matrix (out x in) or vector of the base model on the device: frozen in the compute type, frozen as int8 with one scale per row, or a
/// trainable <see cref="Layers.Parameter"/> in float32.
/// </summary>
internal sealed class Weight : IDisposable
{
    private readonly ScalarType _compute;
    private readonly Tensor _values;

    /// <summary>A frozen weight.</summary>
    public Weight(TensorData data, DeviceContext context, bool int8)
    {
        _compute = context.ComputeType;
        using var scope = NewDisposeScope();
        using var off = no_grad();
        // widened as it is read where it stays: a second block beside the one that stays would leave a hole in the heap
        var stored = FromFile(data, widen: _compute == float32 && context.Device.type == DeviceType.CPU).to(context.Device);
        if (int8) (_values, Scales) = Quantize(stored);
        else _values = stored.to_type(_compute).DetachFromDisposeScope();
    }

    /// <summary>A trainable weight, whose values are already in the parameter.</summary>
    public Weight(Parameter parameter, DeviceContext context) => (_compute, _values, Parameter) = (context.ComputeType, parameter.Values, parameter);

    /// <summary>The trainable tensor, or null when frozen.</summary>
    public Parameter? Parameter { get; }

    /// <summary>The scale of every row (out), compute type, when the values are int8: the weight is <see cref="Values"/> times its row's scale.</summary>
    public Tensor? Scales { get; }

    /// <summary>The values in the compute type; for int8 without their scales, widened anew at every call.</summary>
    public Tensor Values => _values.to_type(_compute);

    public long Rows => _values.shape[0];

    /// <summary>Some rows in the compute type.</summary>
    public Tensor Range(long first, long count) => _values.narrow(0, first, count).to_type(_compute);

    /// <summary>The rows with some indices in the compute type.</summary>
    public Tensor Select(Tensor indices) => _values.index_select(0, indices).to_type(_compute);

    public void Dispose()
    {
        if (Parameter is null) _values.Dispose();
        Scales?.Dispose();
    }

    /// <summary>A tensor on the host, of the file's own type or widened to float32: the one copy there is.</summary>
    public static Tensor FromFile(TensorData data, bool widen = false)
    {
        var type = data.Type switch
        {
            _ when widen => ScalarType.Float32,
            TensorType.F32 => ScalarType.Float32,
            TensorType.F16 => ScalarType.Float16,
            TensorType.BF16 => ScalarType.BFloat16,
            TensorType.F64 => ScalarType.Float64,
            _ => throw new ArgumentOutOfRangeException(nameof(data), data.Type, "not a float type"),
        };
        var tensor = empty(data.Shape, type, new Device(DeviceType.CPU));
        if (widen) data.Read(MemoryMarshal.Cast<byte, float>(tensor.bytes));
        else data.Read(tensor.bytes);
        return tensor;
    }

    /// <summary>q = round(w / s) with s = max |w| / 127 of the row, rounded to the compute type first so that q s is the weight exactly as used.</summary>
    private (Tensor Values, Tensor Scales) Quantize(Tensor weight)
    {
        var wide = weight.to_type(ScalarType.Float32);
        var scales = wide.abs().amax([1]).mul(1.0 / 127).clamp_min(1e-30).to_type(_compute);
        var values = wide.div(scales.to_type(ScalarType.Float32).unsqueeze(1)).round_().clamp_(-127, 127).to_type(ScalarType.Int8);
        return (values.DetachFromDisposeScope(), scales.DetachFromDisposeScope());
    }
}
