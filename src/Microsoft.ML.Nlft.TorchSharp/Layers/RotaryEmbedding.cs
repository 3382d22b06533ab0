using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout: with a = position * f_i, the pair
/// (x_i, x_{i+d/2}) is rotated by the angle a. The table of all sequences stays on the device.
/// </summary>
internal sealed class RotaryEmbedding(ModelConfiguration configuration, RopeConfiguration rope, DeviceContext context) : IDisposable
{
    private readonly RotaryTable _table = new(configuration, rope);
    private RotaryRows? _shared;
    private Tensor? _cosine, _sine; // [positions, 1, d/2]

    /// <summary>Returns cosine and sine for the rows of a batch, [N, 1, d/2].</summary>
    public (Tensor Cosine, Tensor Sine) Rows(PackedBatch batch)
    {
        var rows = _table.Of(batch);
        if (!rows.ByPosition) return (Upload(rows.Cosine), Upload(rows.Sine));
        if (rows != _shared)
        {
            Dispose();
            (_cosine, _sine) = (Upload(rows.Cosine).DetachFromDisposeScope(), Upload(rows.Sine).DetachFromDisposeScope());
            _shared = rows;
        }
        var positions = context.Indices(batch.Positions);
        return (_cosine!.index_select(0, positions), _sine!.index_select(0, positions));
    }

    /// <summary>Rotates every head of x[N, heads, d].</summary>
    public static Tensor Rotate(Tensor x, (Tensor Cosine, Tensor Sine) rotation)
    {
        var halves = x.chunk(2, -1);
        return cat([halves[0] * rotation.Cosine - halves[1] * rotation.Sine, halves[1] * rotation.Cosine + halves[0] * rotation.Sine], -1);
    }

    public void Dispose()
    {
        _cosine?.Dispose();
        _sine?.Dispose();
    }

    private int Half => configuration.HeadSize / 2;

    private Tensor Upload(float[] values) =>
        tensor(values, [values.Length / Half, 1, Half], dtype: context.ComputeType, device: context.Device);
}
