using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout: with a = position * f_i, the pair
/// (x_i, x_{i+d/2}) is rotated by the angle a. The table is extended when longer sequences arrive.
/// </summary>
internal sealed class RotaryEmbedding(ModelConfiguration configuration, DeviceContext context) : IDisposable
{
    private int _positions;
    private Tensor? _cosine, _sine; // [positions, 1, d/2]

    /// <summary>Returns the rows of the table for some positions: cosine and sine, [N, 1, d/2].</summary>
    public (Tensor Cosine, Tensor Sine) Rows(ReadOnlySpan<int> positions)
    {
        var needed = 1;
        foreach (var position in positions) needed = Math.Max(needed, position + 1);
        if (needed > _positions) Extend((int)Math.Min(configuration.MaximumPositions, Math.Max(512, needed * 2L)));
        var rows = context.Indices(positions);
        return (_cosine!.index_select(0, rows), _sine!.index_select(0, rows));
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

    private void Extend(int positions)
    {
        var (frequencies, magnitude) = RopeFrequencies.Of(configuration.Rope, configuration.HeadSize);
        var half = frequencies.Length;
        var (cosine, sine) = (new float[positions * half], new float[positions * half]);
        for (var position = 0; position < positions; position++)
        {
            for (var i = 0; i < half; i++)
            {
                var (s, c) = Math.SinCos(position * frequencies[i]);
                (cosine[position * half + i], sine[position * half + i]) = ((float)(c * magnitude), (float)(s * magnitude));
            }
        }
        Dispose();
        (_cosine, _sine, _positions) = (Table(cosine), Table(sine), positions);

        Tensor Table(float[] values) =>
            tensor(values, [positions, 1, half], dtype: context.ComputeType, device: context.Device).DetachFromDisposeScope();
    }
}
