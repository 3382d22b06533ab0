using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>Dropout by <see cref="DropoutMask"/>, which is computed wherever it is needed.</summary>
internal static class Dropout
{
    /// <summary>y = x / (1 - p) where kept, 0 where dropped. <paramref name="x"/> and <paramref name="y"/> may be the same.</summary>
    public static void Apply(EngineContext context, ulong module, double probability, Matrix x, Matrix y) =>
        context.ForRows(x.Rows, (context.Rows, module, threshold: DropoutMask.Threshold(probability), scale: (float)(1 / (1 - probability)), x, y), static (work, row) =>
            Apply(work.x[row], work.y[row], DropoutMask.RowKey(work.Rows.DropoutSeed(row), work.module, work.Rows.Positions[row]), work.threshold, work.scale));

    private static void Apply(ReadOnlySpan<float> x, Span<float> y, uint key, uint threshold, float scale)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var feature = Vector256.Create((uint)i) + Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7);
            var kept = Vector256.GreaterThanOrEqual(Hash(feature * DropoutMask.FeatureStep ^ Vector256.Create(key)), Vector256.Create(threshold)).AsSingle();
            (Vector256.LoadUnsafe(ref px, i) * scale & kept).StoreUnsafe(ref py, i);
        }
        for (; i < n; i++) y[(int)i] = DropoutMask.IsKept(key, (uint)i, threshold) ? x[(int)i] * scale : 0;
    }

    private static Vector256<uint> Hash(Vector256<uint> x)
    {
        x = (x ^ x >> 16) * DropoutMask.FirstFactor;
        x = (x ^ x >> 15) * DropoutMask.SecondFactor;
        return x ^ x >> 16;
    }
}
