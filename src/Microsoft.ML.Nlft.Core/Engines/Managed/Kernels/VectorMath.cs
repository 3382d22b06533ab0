using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>Vectorised loops over spans. Sums run in a fixed order that depends on the length alone.</summary>
internal static class VectorMath
{
    /// <summary>sum x_i y_i.</summary>
    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        Vector256<float> s0 = default, s1 = default;
        nuint i = 0, n = (nuint)Math.Min(x.Length, y.Length);
        for (; i + 16 <= n; i += 16)
        {
            s0 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref px, i), Vector256.LoadUnsafe(ref py, i), s0);
            s1 = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref px, i + 8), Vector256.LoadUnsafe(ref py, i + 8), s1);
        }
        var sum = Vector256.Sum(s0 + s1);
        for (; i < n; i++) sum += x[(int)i] * y[(int)i];
        return sum;
    }

    /// <summary>y_i += factor x_i.</summary>
    public static void AddScaled(ReadOnlySpan<float> x, float factor, Span<float> y)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)Math.Min(x.Length, y.Length);
        var f = Vector256.Create(factor);
        for (; i + 8 <= n; i += 8)
            Vector256.FusedMultiplyAdd(f, Vector256.LoadUnsafe(ref px, i), Vector256.LoadUnsafe(ref py, i)).StoreUnsafe(ref py, i);
        for (; i < n; i++) y[(int)i] = MathF.FusedMultiplyAdd(factor, x[(int)i], y[(int)i]);
    }

    /// <summary>y_i += x_i.</summary>
    public static void Add(ReadOnlySpan<float> x, Span<float> y)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)Math.Min(x.Length, y.Length);
        for (; i + 8 <= n; i += 8) (Vector256.LoadUnsafe(ref px, i) + Vector256.LoadUnsafe(ref py, i)).StoreUnsafe(ref py, i);
        for (; i < n; i++) y[(int)i] += x[(int)i];
    }

    /// <summary>The largest x_i; negative infinity for none.</summary>
    public static float Max(ReadOnlySpan<float> x)
    {
        var best = Vector256.Create(float.NegativeInfinity);
        var i = 0;
        for (; i + 8 <= x.Length; i += 8) best = Vector256.Max(best, Vector256.Create(x.Slice(i, 8)));
        var max = float.NegativeInfinity;
        for (var lane = 0; lane < 8; lane++) max = Math.Max(max, best[lane]);
        for (; i < x.Length; i++) max = Math.Max(max, x[i]);
        return max;
    }

    /// <summary>x_i = exp(x_i - shift); returns their sum.</summary>
    public static float ExpShifted(Span<float> x, float shift)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        var sums = Vector256<float>.Zero;
        var s = Vector256.Create(shift);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var e = Vector256.Exp(Vector256.LoadUnsafe(ref p, i) - s);
            e.StoreUnsafe(ref p, i);
            sums += e;
        }
        var sum = Vector256.Sum(sums);
        for (; i < n; i++) sum += x[(int)i] = MathF.Exp(x[(int)i] - shift);
        return sum;
    }

    /// <summary>sum x_i y_i z_i.</summary>
    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> z)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y), pz = ref MemoryMarshal.GetReference(z);
        var sums = Vector256<float>.Zero;
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
            sums = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref px, i) * Vector256.LoadUnsafe(ref py, i), Vector256.LoadUnsafe(ref pz, i), sums);
        var sum = Vector256.Sum(sums);
        for (; i < n; i++) sum += x[(int)i] * y[(int)i] * z[(int)i];
        return sum;
    }

    /// <summary>result_i = factor x_i y_i, added to what is there when <paramref name="accumulate"/>.</summary>
    public static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<float> y, float factor, Span<float> result, bool accumulate = false)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y), pr = ref MemoryMarshal.GetReference(result);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var product = Vector256.LoadUnsafe(ref px, i) * factor * Vector256.LoadUnsafe(ref py, i);
            (accumulate ? product + Vector256.LoadUnsafe(ref pr, i) : product).StoreUnsafe(ref pr, i);
        }
        for (; i < n; i++) result[(int)i] = x[(int)i] * factor * y[(int)i] + (accumulate ? result[(int)i] : 0);
    }

    /// <summary>x_i *= factor.</summary>
    public static void Scale(Span<float> x, float factor)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8) (Vector256.LoadUnsafe(ref p, i) * factor).StoreUnsafe(ref p, i);
        for (; i < n; i++) x[(int)i] *= factor;
    }

    /// <summary>Softmax in place.</summary>
    public static void Softmax(Span<float> x) => Scale(x, 1 / ExpShifted(x, Max(x)));

    /// <summary>sum x_i^2 in double precision.</summary>
    public static double SumOfSquares(ReadOnlySpan<float> x)
    {
        Vector256<double> s0 = default, s1 = default;
        var i = 0;
        for (; i + 8 <= x.Length; i += 8)
        {
            var (low, high) = Vector256.Widen(Vector256.Create(x.Slice(i, 8)));
            s0 += low * low;
            s1 += high * high;
        }
        var sum = Vector256.Sum(s0 + s1);
        for (; i < x.Length; i++) sum += (double)x[i] * x[i];
        return sum;
    }
}
