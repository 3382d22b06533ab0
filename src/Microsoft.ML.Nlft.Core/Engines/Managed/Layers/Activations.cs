using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>Activations f(g) = g s(g) of a feed-forward network, times what another projection gives: a = f(g) * u.</summary>
internal static class Activations
{
    /// <summary>Computes a = f(g) * u.</summary>
    public static void Forward(Activation activation, EngineContext context, Matrix g, Matrix u, Matrix a)
    {
        switch (activation)
        {
            case Activation.Silu: Forward<Silu>(context, g, u, a); break;
            case Activation.Gelu: Forward<Gelu>(context, g, u, a); break;
            case Activation.GeluTanh: Forward<GeluTanh>(context, g, u, a); break;
            default: throw new ArgumentOutOfRangeException(nameof(activation), activation, null);
        }
    }

    /// <summary>Computes du = da * f(g) and dg = da * u f'(g). du and da may be the same matrix.</summary>
    public static void Backward(Activation activation, EngineContext context, Matrix g, Matrix u, Matrix da, Matrix dg, Matrix du)
    {
        switch (activation)
        {
            case Activation.Silu: Backward<Silu>(context, g, u, da, dg, du); break;
            case Activation.Gelu: Backward<Gelu>(context, g, u, da, dg, du); break;
            case Activation.GeluTanh: Backward<GeluTanh>(context, g, u, da, dg, du); break;
            default: throw new ArgumentOutOfRangeException(nameof(activation), activation, null);
        }
    }

    private static void Forward<T>(EngineContext context, Matrix g, Matrix u, Matrix a) where T : IActivation =>
        context.ForRows(g.Rows, (g, u, a), static (loop, row) => Forward<T>(loop.g[row], loop.u[row], loop.a[row]));

    private static void Forward<T>(Span<float> gate, Span<float> up, Span<float> output) where T : IActivation
    {
        ref float pg = ref MemoryMarshal.GetReference(gate), pu = ref MemoryMarshal.GetReference(up);
        ref var pa = ref MemoryMarshal.GetReference(output);
        nuint i = 0, n = (nuint)gate.Length;
        for (; i + 8 <= n; i += 8)
        {
            var x = Vector256.LoadUnsafe(ref pg, i);
            (x * T.Share(x) * Vector256.LoadUnsafe(ref pu, i)).StoreUnsafe(ref pa, i);
        }
        for (; i < n; i++)
        {
            var x = Vector256.CreateScalar(gate[(int)i]);
            output[(int)i] = (x * T.Share(x) * Vector256.CreateScalar(up[(int)i])).ToScalar();
        }
    }

    private static void Backward<T>(EngineContext context, Matrix g, Matrix u, Matrix da, Matrix dg, Matrix du) where T : IActivation =>
        context.ForRows(g.Rows, (g, u, da, dg, du), static (loop, row) =>
            Backward<T>(loop.g[row], loop.u[row], loop.da[row], loop.dg[row], loop.du[row]));

    private static void Backward<T>(Span<float> gate, Span<float> up, Span<float> upstream, Span<float> gateGradient, Span<float> upGradient)
        where T : IActivation
    {
        ref float pg = ref MemoryMarshal.GetReference(gate), pu = ref MemoryMarshal.GetReference(up);
        ref var pd = ref MemoryMarshal.GetReference(upstream);
        ref float pdg = ref MemoryMarshal.GetReference(gateGradient), pdu = ref MemoryMarshal.GetReference(upGradient);
        nuint i = 0, n = (nuint)gate.Length;
        for (; i + 8 <= n; i += 8)
        {
            Vector256<float> x = Vector256.LoadUnsafe(ref pg, i), d = Vector256.LoadUnsafe(ref pd, i), s = T.Share(x);
            T.Backward(x, s, d * Vector256.LoadUnsafe(ref pu, i)).StoreUnsafe(ref pdg, i);
            (d * x * s).StoreUnsafe(ref pdu, i);
        }
        for (; i < n; i++)
        {
            var at = (int)i;
            Vector256<float> x = Vector256.CreateScalar(gate[at]), d = Vector256.CreateScalar(upstream[at]), s = T.Share(x);
            gateGradient[at] = T.Backward(x, s, d * Vector256.CreateScalar(up[at])).ToScalar();
            upGradient[at] = (d * x * s).ToScalar();
        }
    }
}

/// <summary>An activation f(x) = x s(x). The compiler specializes the loops for each.</summary>
internal interface IActivation
{
    /// <summary>Returns s(x).</summary>
    static abstract Vector256<float> Share(Vector256<float> x);

    /// <summary>Returns d f'(x), given s = s(x).</summary>
    static abstract Vector256<float> Backward(Vector256<float> x, Vector256<float> s, Vector256<float> d);
}

/// <summary>s = sigmoid(x) = 1 / (1 + exp(-x)); f' = s (1 + x (1 - s)).</summary>
internal readonly struct Silu : IActivation
{
    public static Vector256<float> Share(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + VectorMath.Exp(-x));

    public static Vector256<float> Backward(Vector256<float> x, Vector256<float> s, Vector256<float> d) =>
        d * s * (Vector256<float>.One + x * (Vector256<float>.One - s));
}

/// <summary>
/// s = (1 + erf(x / sqrt(2))) / 2, the normal distribution (Hendrycks and Gimpel, arXiv 1606.08415); f' = s + x exp(-x^2 / 2) / sqrt(2 pi).
/// </summary>
internal readonly struct Gelu : IActivation
{
    public static Vector256<float> Share(Vector256<float> x) => (Vector256<float>.One + VectorMath.Erf(x * 0.70710678f)) * 0.5f;

    public static Vector256<float> Backward(Vector256<float> x, Vector256<float> s, Vector256<float> d) =>
        d * (s + x * VectorMath.Exp(x * x * -0.5f) * 0.39894228f);
}

/// <summary>
/// s = (1 + tanh(k)) / 2 with k = sqrt(2 / pi) (x + 0.044715 x^3), an approximation of <see cref="Gelu"/> from the same paper;
/// f' = s (1 + 2 x (1 - s) k').
/// </summary>
internal readonly struct GeluTanh : IActivation
{
    private const float Factor = 0.79788456f, Cubic = 0.044715f;

    public static Vector256<float> Share(Vector256<float> x)
    {
        var k = x * Vector256.FusedMultiplyAdd(x * x, Vector256.Create(Factor * Cubic), Vector256.Create(Factor));
        return Vector256<float>.One / (Vector256<float>.One + VectorMath.Exp(k * -2f)); // (1 + tanh(k)) / 2 without cancellation
    }

    public static Vector256<float> Backward(Vector256<float> x, Vector256<float> s, Vector256<float> d)
    {
        var twiceSlope = Vector256.FusedMultiplyAdd(x * x, Vector256.Create(6 * Factor * Cubic), Vector256.Create(2 * Factor));
        return d * s * Vector256.FusedMultiplyAdd(x * twiceSlope, Vector256<float>.One - s, Vector256<float>.One);
    }
}
