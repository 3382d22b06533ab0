namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>Where a model lies and the type it computes in.</summary>
/// <param name="Device">The device.</param>
/// <param name="ComputeType">bfloat16 or float32.</param>
internal sealed record DeviceContext(Device Device, ScalarType ComputeType)
{
    /// <summary>Indices on the device.</summary>
    public Tensor Indices(ReadOnlySpan<int> values)
    {
        var wide = new long[values.Length];
        for (var i = 0; i < values.Length; i++) wide[i] = values[i];
        return tensor(wide, [wide.Length], device: Device);
    }
}
