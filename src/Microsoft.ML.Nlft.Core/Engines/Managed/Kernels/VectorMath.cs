using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>Vectorized loops over spans. A sum runs in an order that depends on the length alone.</summary>
internal static class VectorMath
{
    /// <summary>Returns sum x_i y_i.</summary>
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

    /// <summary>Computes y_i += factor x_i.</summary>
    public static void AddScaled(ReadOnlySpan<float> x, float factor, Span<float> y)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)Math.Min(x.Length, y.Length);
        var f = Vector256.Create(factor);
        for (; i + 8 <= n; i += 8)
            Vector256.FusedMultiplyAdd(f, Vector256.LoadUnsafe(ref px, i), Vector256.LoadUnsafe(ref py, i)).StoreUnsafe(ref py, i);
        for (; i < n; i++) y[(int)i] = MathF.FusedMultiplyAdd(factor, x[(int)i], y[(int)i]);
    }

    /// <summary>Computes y_i += x_i.</summary>
    public static void Add(ReadOnlySpan<float> x, Span<float> y)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)Math.Min(x.Length, y.Length);
        for (; i + 8 <= n; i += 8) (Vector256.LoadUnsafe(ref px, i) + Vector256.LoadUnsafe(ref py, i)).StoreUnsafe(ref py, i);
        for (; i < n; i++) y[(int)i] += x[(int)i];
    }

    /// <summary>Computes y_i += c.</summary>
    public static void AddConstant(float c, Span<float> y)
    {
        ref var p = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)y.Length;
        var constant = Vector256.Create(c);
        for (; i + 8 <= n; i += 8) (Vector256.LoadUnsafe(ref p, i) + constant).StoreUnsafe(ref p, i);
        for (; i < n; i++) y[(int)i] += c;
    }

    /// <summary>Returns sum x_i, in double precision.</summary>
    public static double Sum(ReadOnlySpan<float> x)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        Vector256<double> s0 = default, s1 = default;
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var (low, high) = Vector256.Widen(Vector256.LoadUnsafe(ref p, i));
            (s0, s1) = (s0 + low, s1 + high);
        }
        var sum = Vector256.Sum(s0 + s1);
        for (; i < n; i++) sum += x[(int)i];
        return sum;
    }

    /// <summary>Returns the largest x_i, or negative infinity for none. NaN may be ignored.</summary>
    public static float Max(ReadOnlySpan<float> x)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        Vector256<float> m0 = Vector256.Create(float.NegativeInfinity), m1 = m0;
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 16 <= n; i += 16)
        {
            m0 = Vector256.MaxNative(m0, Vector256.LoadUnsafe(ref p, i));
            m1 = Vector256.MaxNative(m1, Vector256.LoadUnsafe(ref p, i + 8));
        }
        m0 = Vector256.MaxNative(m0, m1);
        var half = Vector128.MaxNative(m0.GetLower(), m0.GetUpper());
        var max = MathF.Max(MathF.Max(half[0], half[1]), MathF.Max(half[2], half[3]));
        for (; i < n; i++) max = MathF.Max(max, x[(int)i]);
        return max;
    }

    /// <summary>
    /// Returns exp(x) to within 2 units in the last place for x in [-87.3, 88]; smaller and larger x are clamped to that range. x = n log 2 + r
    /// with |r| at most (log 2) / 2: exp(r) by the polynomial of Cephes' expf (Moshier), 2^n by setting the exponent bits.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x)
    {
        x = Vector256.MinNative(Vector256.Create(88f), Vector256.MaxNative(Vector256.Create(-87.3f), x)); // in this order NaN stays NaN
        var n = Vector256.Round(x * 1.44269504088896341f);
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-0.693359375f), x);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(2.12194440e-4f), r);
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(1.9875691500e-4f), r, Vector256.Create(1.3981999507e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(8.3334519073e-3f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(4.1665795894e-2f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.6666665459e-1f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(5.0000001201e-1f));
        p = Vector256.FusedMultiplyAdd(p, r * r, r + Vector256<float>.One);
        return p * ((Vector256.ConvertToInt32Native(n) + Vector256.Create(127)) << 23).AsSingle();
    }

    /// <summary>Computes x_i = exp(x_i - shift) and returns their sum.</summary>
    public static float ExpShifted(Span<float> x, float shift)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        var sums = Vector256<float>.Zero;
        var s = Vector256.Create(shift);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var e = Exp(Vector256.LoadUnsafe(ref p, i) - s);
            e.StoreUnsafe(ref p, i);
            sums += e;
        }
        var sum = Vector256.Sum(sums);
        for (; i < n; i++) sum += x[(int)i] = Exp(x[(int)i] - shift);
        return sum;
    }

    /// <summary>Returns tanh(x) to 4e-7 of its value: an odd polynomial over an even one, x clamped where the result is 1 (as in Eigen).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Tanh(Vector256<float> x)
    {
        const float Limit = 7.90531110763549805f;
        x = Vector256.MinNative(Vector256.Create(Limit), Vector256.MaxNative(Vector256.Create(-Limit), x)); // in this order NaN stays NaN
        var square = x * x;
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(-2.76076847742355e-16f), square, Vector256.Create(2.00018790482477e-13f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(-8.60467152213735e-11f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(5.12229709037114e-08f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(1.48572235717979e-05f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(6.37261928875436e-04f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(4.89352455891786e-03f));
        var q = Vector256.FusedMultiplyAdd(Vector256.Create(1.19825839466702e-06f), square, Vector256.Create(1.18534705686654e-04f));
        q = Vector256.FusedMultiplyAdd(q, square, Vector256.Create(2.26843463243900e-03f));
        q = Vector256.FusedMultiplyAdd(q, square, Vector256.Create(4.89352518554385e-03f));
        return x * p / q;
    }

    /// <summary>Returns erf(x) to 4e-7 of its value: an odd polynomial over an even one, x clamped to [-4, 4] (as in Eigen).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Erf(Vector256<float> x)
    {
        x = Vector256.MinNative(Vector256.Create(4f), Vector256.MaxNative(Vector256.Create(-4f), x)); // in this order NaN stays NaN
        var square = x * x;
        var p = Vector256.FusedMultiplyAdd(Vector256.Create(-2.72614225801306e-10f), square, Vector256.Create(2.77068142495902e-08f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(-2.10102402082508e-06f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(-5.69250639462346e-05f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(-7.34990630326855e-04f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(-2.95459980854025e-03f));
        p = Vector256.FusedMultiplyAdd(p, square, Vector256.Create(-1.60960333262415e-02f));
        var q = Vector256.FusedMultiplyAdd(Vector256.Create(-1.45660718464996e-05f), square, Vector256.Create(-2.13374055278905e-04f));
        q = Vector256.FusedMultiplyAdd(q, square, Vector256.Create(-1.68282697438203e-03f));
        q = Vector256.FusedMultiplyAdd(q, square, Vector256.Create(-7.37332916720468e-03f));
        q = Vector256.FusedMultiplyAdd(q, square, Vector256.Create(-1.42647390514189e-02f));
        return x * p / q;
    }

    /// <summary>Computes x_i = c tanh(x_i / c).</summary>
    public static void SoftCap(Span<float> x, float c)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        var inverse = 1 / c;
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8) (Tanh(Vector256.LoadUnsafe(ref p, i) * inverse) * c).StoreUnsafe(ref p, i);
        for (; i < n; i++) x[(int)i] = (Tanh(Vector256.CreateScalar(x[(int)i]) * inverse) * c).ToScalar();
    }

    /// <summary>With t_i = tanh(x_i / c), computes x_i = c t_i and y_i = (y_i - shift) (1 - t_i^2).</summary>
    public static void SoftCap(Span<float> x, float c, Span<float> y, float shift)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        var inverse = 1 / c;
        var s = Vector256.Create(shift);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var t = Tanh(Vector256.LoadUnsafe(ref px, i) * inverse);
            ((Vector256.LoadUnsafe(ref py, i) - s) * (Vector256<float>.One - t * t)).StoreUnsafe(ref py, i);
            (t * c).StoreUnsafe(ref px, i);
        }
        for (; i < n; i++)
        {
            var t = Tanh(Vector256.CreateScalar(x[(int)i]) * inverse).ToScalar();
            (x[(int)i], y[(int)i]) = (t * c, (y[(int)i] - shift) * (1 - t * t));
        }
    }

    /// <summary>Computes x_i = exp(x_i - shift) (1 - (x_i / c)^2) and returns the sum of exp(x_i - shift).</summary>
    public static float ExpShiftedTimesSlope(Span<float> x, float shift, float c)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        var inverse = 1 / c;
        var sums = Vector256<float>.Zero;
        var s = Vector256.Create(shift);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            Vector256<float> value = Vector256.LoadUnsafe(ref p, i), e = Exp(value - s), t = value * inverse;
            (e * (Vector256<float>.One - t * t)).StoreUnsafe(ref p, i);
            sums += e;
        }
        var sum = Vector256.Sum(sums);
        for (; i < n; i++)
        {
            float e = Exp(x[(int)i] - shift), t = x[(int)i] * inverse;
            (x[(int)i], sum) = (e * (1 - t * t), sum + e);
        }
        return sum;
    }

    /// <summary>Returns exp(x), with the same bits as in a vector.</summary>
    public static float Exp(float x) => Exp(Vector256.CreateScalar(x)).ToScalar();

    /// <summary>Returns sum x_i y_i z_i.</summary>
    public static float Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> z)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y), pz = ref MemoryMarshal.GetReference(z);
        var sums = Vector256<float>.Zero;
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8)
        {
            var product = Vector256.LoadUnsafe(ref px, i) * Vector256.LoadUnsafe(ref py, i);
            sums = Vector256.FusedMultiplyAdd(product, Vector256.LoadUnsafe(ref pz, i), sums);
        }
        var sum = Vector256.Sum(sums);
        for (; i < n; i++) sum += x[(int)i] * y[(int)i] * z[(int)i];
        return sum;
    }

    /// <summary>Computes result_i (+)= factor x_i y_i, adding if <paramref name="accumulate"/>.</summary>
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

    /// <summary>Computes x_i = factor (x_i - shift) y_i.</summary>
    public static void MultiplyShifted(Span<float> x, float shift, ReadOnlySpan<float> y, float factor)
    {
        ref float px = ref MemoryMarshal.GetReference(x), py = ref MemoryMarshal.GetReference(y);
        nuint i = 0, n = (nuint)x.Length;
        var s = Vector256.Create(shift);
        for (; i + 8 <= n; i += 8) ((Vector256.LoadUnsafe(ref px, i) - s) * factor * Vector256.LoadUnsafe(ref py, i)).StoreUnsafe(ref px, i);
        for (; i < n; i++) x[(int)i] = (x[(int)i] - shift) * factor * y[(int)i];
    }

    /// <summary>Computes x_i *= factor.</summary>
    public static void Scale(Span<float> x, float factor)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 8 <= n; i += 8) (Vector256.LoadUnsafe(ref p, i) * factor).StoreUnsafe(ref p, i);
        for (; i < n; i++) x[(int)i] *= factor;
    }

    /// <summary>Replaces x by softmax(x).</summary>
    public static void Softmax(Span<float> x) => Scale(x, 1 / ExpShifted(x, Max(x)));

    /// <summary>Returns sum x_i^2: float32 in each lane over short runs, double precision across them.</summary>
    public static double SumOfSquares(ReadOnlySpan<float> x)
    {
        const int Run = 2048; // elements; each lane adds 64 of them
        var sum = 0.0;
        for (; x.Length > Run; x = x[Run..]) sum += SumOfSquaresOfRun(x[..Run]);
        return sum + SumOfSquaresOfRun(x);
    }

    private static double SumOfSquaresOfRun(ReadOnlySpan<float> x)
    {
        ref var p = ref MemoryMarshal.GetReference(x);
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        nuint i = 0, n = (nuint)x.Length;
        for (; i + 32 <= n; i += 32)
        {
            Vector256<float> a = Vector256.LoadUnsafe(ref p, i), b = Vector256.LoadUnsafe(ref p, i + 8);
            Vector256<float> c = Vector256.LoadUnsafe(ref p, i + 16), d = Vector256.LoadUnsafe(ref p, i + 24);
            s0 = Vector256.FusedMultiplyAdd(a, a, s0);
            s1 = Vector256.FusedMultiplyAdd(b, b, s1);
            s2 = Vector256.FusedMultiplyAdd(c, c, s2);
            s3 = Vector256.FusedMultiplyAdd(d, d, s3);
        }
        var (low, high) = Vector256.Widen((s0 + s1) + (s2 + s3));
        var sum = Vector256.Sum(low + high);
        for (; i < n; i++) sum += (double)x[(int)i] * x[(int)i];
        return sum;
    }
}
