using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout: with a = position * f_i, the pair
/// (x_i, x_{i+d/2}) of the first d values of a head is rotated by the angle a; others stay as they are. With x turned by half of d that is one
/// product and one sum: x [cos a, cos a] + roll(x, d/2) [-sin a, sin a]. The table of all sequences stays on the device.
/// </summary>
internal sealed class RotaryEmbedding(ModelConfiguration configuration, RopeConfiguration rope, DeviceContext context) : IDisposable
{
    private readonly RotaryTable _table = new(configuration, rope);
    private RotaryRows? _shared;
    private Tensor? _cosine, _sine; // [positions, 1, d]

    /// <summary>Returns [cos a, cos a] and [-sin a, sin a] for the rows of a batch, [N, 1, d].</summary>
    public (Tensor Cosine, Tensor Sine) Rows(PackedBatch batch)
    {
        var rows = _table.Of(batch);
        if (!rows.ByPosition) return Upload(rows);
        if (rows != _shared)
        {
            Dispose();
            var (cosine, sine) = Upload(rows);
            (_cosine, _sine, _shared) = (cosine.DetachFromDisposeScope(), sine.DetachFromDisposeScope(), rows);
        }
        var positions = context.Indices(batch.Positions);
        return (_cosine!.index_select(0, positions), _sine!.index_select(0, positions));
    }

    /// <summary>Rotates every head of x[N, heads, size], of which the first d values are rotated.</summary>
    public static Tensor Rotate(Tensor x, (Tensor Cosine, Tensor Sine) rotation)
    {
        var (width, size) = (rotation.Cosine.shape[^1], x.shape[^1]);
        var turned = width == size ? x : x.narrow(-1, 0, width);
        var y = turned.mul(rotation.Cosine).AddProduct(turned.roll([width / 2], [-1]), rotation.Sine);
        return width == size ? y : cat([y, x.narrow(-1, width, size - width)], -1);
    }

    public void Dispose()
    {
        _cosine?.Dispose();
        _sine?.Dispose();
    }

    private (Tensor Cosine, Tensor Sine) Upload(RotaryRows rows)
    {
        var (cosine, sine) = (Half(rows.Cosine), Half(rows.Sine));
        return (cat([cosine, cosine], -1), cat([sine.neg(), sine], -1));

        Tensor Half(float[] values) =>
            tensor(values, [values.Length / rows.Pairs, 1, rows.Pairs], dtype: context.ComputeType, device: context.Device);
    }
}
