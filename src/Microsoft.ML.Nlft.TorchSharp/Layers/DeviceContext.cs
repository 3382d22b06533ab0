namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>The device of a model and the type it computes in.</summary>
/// <param name="Device">The device.</param>
/// <param name="ComputeType">bfloat16 or float32.</param>
internal sealed record DeviceContext(Device Device, ScalarType ComputeType)
{
    /// <summary>Copies indices to the device as 64-bit integers.</summary>
    public Tensor Indices(ReadOnlySpan<int> values)
    {
        var wide = new long[values.Length];
        for (var i = 0; i < values.Length; i++) wide[i] = values[i];
        return tensor(wide, [wide.Length], device: Device);
    }
}
