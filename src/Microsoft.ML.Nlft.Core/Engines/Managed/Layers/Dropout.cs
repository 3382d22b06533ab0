using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The dropout of one module, with the mask of <see cref="DropoutMask"/>, which is recomputed wherever it is needed instead of stored.
/// </summary>
/// <param name="module">The module's path.</param>
/// <param name="probability">The share of features to drop, in [0, 1).</param>
/// <param name="features">The number of features.</param>
internal sealed class Dropout(string module, double probability, int features)
{
    private readonly uint _key = DropoutMask.ModuleKey(module);
    private readonly int[] _features = DropoutMask.FeatureKeys(features);
    private readonly int _threshold = DropoutMask.Threshold(probability);
    private readonly float _scale = (float)(1 / (1 - probability));

    /// <summary>Computes y = x / (1 - p) where the mask keeps, 0 where it drops. x and y may be the same matrix.</summary>
    public void Apply(EngineContext context, Matrix x, Matrix y)
    {
        context.ForRows(x.Rows, (Dropout: this, context.Rows, x, y), static (loop, row) =>
        {
            var position = DropoutMask.PositionKey(loop.Rows.DropoutSeed(row), loop.Rows.Positions[row]);
            loop.Dropout.Apply(loop.x[row], loop.y[row], DropoutMask.RowKey(position, loop.Dropout._key));
        });
    }

    private void Apply(ReadOnlySpan<float> x, Span<float> y, int key)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        ref var features = ref MemoryMarshal.GetArrayDataReference(_features);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var kept = Vector256.GreaterThanOrEqual(Vector256.LoadUnsafe(ref features, i) * key, Vector256.Create(_threshold)).AsSingle();
            (Vector256.LoadUnsafe(ref px, i) * _scale & kept).StoreUnsafe(ref py, i);
        }
        for (; i < n; i++) y[(int)i] = DropoutMask.IsKept(key, _features[i], _threshold) ? x[(int)i] * _scale : 0;
    }
}
