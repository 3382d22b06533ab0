using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// SwiGLU (Shazeer, arXiv 2002.05202): y = down(silu(gate(x)) * up(x)), where silu(g) = g s and s = sigmoid(g) = 1 / (1 + exp(-g)).
/// </summary>
internal sealed class FeedForward(Linear gate, Linear up, Linear down) : IFeedForward
{
    public Linear Gate { get; } = gate;
    public Linear Up { get; } = up;
    public Linear Down { get; } = down;

    public IEnumerable<Linear> Linears => [Gate, Up, Down];

    public void Forward(EngineContext context, Matrix x, LayerActivations activations, Matrix? residual, Matrix y)
    {
        var (g, u) = activations.GateAndUp(x.Rows, Gate.Outputs);
        Linear.Forward(context, x, (Gate, g), (Up, u));
        var a = context.Rent(g.Rows, g.Columns);
        Activate(context, g, u, a);
        Down.Forward(context, a, y, residual);
        context.Return(a);
    }

    public void Backward(EngineContext context, Matrix x, LayerActivations activations, Matrix dy, Matrix? dx)
    {
        var (g, u) = activations.GateAndUp(x.Rows, Gate.Outputs);
        Matrix a = context.Rent(g.Rows, g.Columns), da = context.Rent(g.Rows, g.Columns);
        Activate(context, g, u, a);
        Down.Backward(context, a, dy, da, accumulate: false);
        var (dg, du) = (a, da); // overwrites what is no longer needed
        ActivateBackward(context, g, u, da, dg, du);
        Gate.Backward(context, x, dg, dx, accumulate: false);
        Up.Backward(context, x, du, dx, accumulate: true);
        context.Return(a);
        context.Return(da);
    }

    /// <summary>Computes a = silu(g) * u.</summary>
    internal static void Activate(EngineContext context, Matrix g, Matrix u, Matrix a) => context.ForRows(g.Rows, (g, u, a), static (loop, row) =>
    {
        Span<float> gate = loop.g[row], up = loop.u[row], output = loop.a[row];
        ref float pg = ref MemoryMarshal.GetReference(gate), pu = ref MemoryMarshal.GetReference(up);
        ref var pa = ref MemoryMarshal.GetReference(output);
        nuint i = 0, n = (nuint)gate.Length;
        for (; i + 8 <= n; i += 8)
        {
            var x = Vector256.LoadUnsafe(ref pg, i);
            (x * Sigmoid(x) * Vector256.LoadUnsafe(ref pu, i)).StoreUnsafe(ref pa, i);
        }
        for (; i < n; i++) output[(int)i] = gate[(int)i] * Sigmoid(gate[(int)i]) * up[(int)i];
    });

    /// <summary>Computes du = da * g s and dg = da * u s (1 + g (1 - s)). du and da may be the same matrix.</summary>
    internal static void ActivateBackward(EngineContext context, Matrix g, Matrix u, Matrix da, Matrix dg, Matrix du) =>
        context.ForRows(g.Rows, (g, u, da, dg, du), static (loop, row) =>
            ActivateBackward(loop.g[row], loop.u[row], loop.da[row], loop.dg[row], loop.du[row]));

    private static void ActivateBackward(Span<float> gate, Span<float> up, Span<float> upstream, Span<float> gateGradient, Span<float> upGradient)
    {
        ref float pg = ref MemoryMarshal.GetReference(gate), pu = ref MemoryMarshal.GetReference(up);
        ref var pd = ref MemoryMarshal.GetReference(upstream);
        ref float pdg = ref MemoryMarshal.GetReference(gateGradient), pdu = ref MemoryMarshal.GetReference(upGradient);
        nuint i = 0, n = (nuint)gate.Length;
        for (; i + 8 <= n; i += 8)
        {
            Vector256<float> x = Vector256.LoadUnsafe(ref pg, i), d = Vector256.LoadUnsafe(ref pd, i), s = Sigmoid(x);
            (d * Vector256.LoadUnsafe(ref pu, i) * s * (Vector256<float>.One + x * (Vector256<float>.One - s))).StoreUnsafe(ref pdg, i);
            (d * x * s).StoreUnsafe(ref pdu, i);
        }
        for (; i < n; i++)
        {
            var at = (int)i;
            float x = gate[at], d = upstream[at], s = Sigmoid(x);
            gateGradient[at] = d * up[at] * s * (1 + x * (1 - s));
            upGradient[at] = d * x * s;
        }
    }

    private static Vector256<float> Sigmoid(Vector256<float> x) => Vector256<float>.One / (Vector256<float>.One + VectorMath.Exp(-x));

    private static float Sigmoid(float x) => 1 / (1 + VectorMath.Exp(-x));
}
