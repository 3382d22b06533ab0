using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>Dropout with the mask of <see cref="DropoutMask"/>, which is recomputed wherever it is needed instead of stored.</summary>
internal static class Dropout
{
    /// <summary>Computes y = x / (1 - p) where the mask keeps, 0 where it drops. x and y may be the same matrix.</summary>
    public static void Apply(EngineContext context, ulong module, double probability, Matrix x, Matrix y)
    {
        var (threshold, scale) = (DropoutMask.Threshold(probability), (float)(1 / (1 - probability)));
        context.ForRows(x.Rows, (context.Rows, module, threshold, scale, x, y), static (loop, row) =>
        {
            var key = DropoutMask.RowKey(loop.Rows.DropoutSeed(row), loop.module, loop.Rows.Positions[row]);
            Apply(loop.x[row], loop.y[row], key, loop.threshold, loop.scale);
        });
    }

    private static void Apply(ReadOnlySpan<float> x, Span<float> y, uint key, uint threshold, float scale)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var feature = Vector256.Create((uint)i) + Vector256.Create(0u, 1, 2, 3, 4, 5, 6, 7);
            var hash = Hash(feature * DropoutMask.FeatureStep ^ Vector256.Create(key));
            var kept = Vector256.GreaterThanOrEqual(hash, Vector256.Create(threshold)).AsSingle();
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
