using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout: with a = position * f_i, the pair
/// (x_i, x_{i+d/2}) of the first d values of a head is rotated by the angle a; others stay as they are. The table of all sequences stays on the
/// device.
/// </summary>
internal sealed class RotaryEmbedding(ModelConfiguration configuration, RopeConfiguration rope, DeviceContext context) : IDisposable
{
    private readonly RotaryTable _table = new(configuration, rope);
    private RotaryRows? _shared;
    private Tensor? _cosine, _sine; // [positions, 1, pairs]

    /// <summary>Returns cosine and sine for the rows of a batch, [N, 1, pairs].</summary>
    public (Tensor Cosine, Tensor Sine) Rows(PackedBatch batch)
    {
        var rows = _table.Of(batch);
        if (!rows.ByPosition) return (Upload(rows.Cosine, rows.Pairs), Upload(rows.Sine, rows.Pairs));
        if (rows != _shared)
        {
            Dispose();
            _cosine = Upload(rows.Cosine, rows.Pairs).DetachFromDisposeScope();
            _sine = Upload(rows.Sine, rows.Pairs).DetachFromDisposeScope();
            _shared = rows;
        }
        var positions = context.Indices(batch.Positions);
        return (_cosine!.index_select(0, positions), _sine!.index_select(0, positions));
    }

    /// <summary>Rotates every head of x[N, heads, d].</summary>
    public static Tensor Rotate(Tensor x, (Tensor Cosine, Tensor Sine) rotation)
    {
        var (pairs, rest) = (rotation.Cosine.shape[^1], x.shape[^1] - 2 * rotation.Cosine.shape[^1]);
        var (first, second) = (x.narrow(-1, 0, pairs), x.narrow(-1, pairs, pairs));
        var (a, b) = (first * rotation.Cosine - second * rotation.Sine, (second * rotation.Cosine).Plus(first * rotation.Sine));
        return rest == 0 ? cat([a, b], -1) : cat([a, b, x.narrow(-1, 2 * pairs, rest)], -1);
    }

    public void Dispose()
    {
        _cosine?.Dispose();
        _sine?.Dispose();
    }

    private Tensor Upload(float[] values, int pairs) =>
        tensor(values, [values.Length / pairs, 1, pairs], dtype: context.ComputeType, device: context.Device);
}
