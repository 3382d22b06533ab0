using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// SwiGLU (Shazeer, arXiv 2002.05202): y = down(silu(gate(x)) * up(x)), where silu(g) = g s and s = sigmoid(g) = 1 / (1 + exp(-g)). One projection
/// may give gate and up, as the halves of its rows.
/// </summary>
internal sealed class FeedForward(IReadOnlyList<Linear> gateUp, Linear down)
{
    /// <summary>The linear layers.</summary>
    public IEnumerable<Linear> Linears => [.. gateUp, down];

    /// <summary>Computes y[N x H] = residual + FFN(x[N x H]); fills g[N x F] and u[N x F] for the backward pass.</summary>
    public void Forward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix? residual, Matrix y)
    {
        if (gateUp is [var gate, var up]) Linear.Forward(context, x, (gate, g), (up, u));
        else gateUp[0].Forward(context, x, Whole(g));
        var a = context.Rent(g.Rows, g.Columns);
        Activate(context, g, u, a);
        down.Forward(context, a, y, residual);
        context.Return(a);
    }

    /// <summary>
    /// Computes dx[N x H] from dy[N x H] and adds to the gradients of the trainable weights; only the latter if <paramref name="dx"/> is null.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix dy, Matrix? dx)
    {
        var (a, da) = RentPair(context, g.Rows, g.Columns, isFused: gateUp.Count == 1);
        Activate(context, g, u, a);
        down.Backward(context, a, dy, da, accumulate: false);
        var (dg, du) = (a, da); // overwrites what is no longer needed
        ActivateBackward(context, g, u, da, dg, du);
        if (gateUp is [var gate, var up])
        {
            gate.Backward(context, x, dg, dx, accumulate: false);
            up.Backward(context, x, du, dx, accumulate: true);
        }
        else
        {
            gateUp[0].Backward(context, x, Whole(dg), dx, accumulate: false);
        }
        ReturnPair(context, a, da);
    }

    /// <summary>Rents two matrices of the same size, as the halves of one if they belong to one projection.</summary>
    public static (Matrix Gate, Matrix Up) RentPair(EngineContext context, int rows, int columns, bool isFused)
    {
        if (!isFused) return (context.Rent(rows, columns), context.Rent(rows, columns));
        var whole = context.Rent(rows, 2 * columns);
        return (whole.Slice(0, rows, 0, columns), whole.Slice(0, rows, columns, columns));
    }

    /// <summary>Gives back what <see cref="RentPair"/> rented.</summary>
    public static void ReturnPair(EngineContext context, Matrix gate, Matrix up)
    {
        context.Return(gate);
        if (up.Data != gate.Data) context.Return(up);
    }

    /// <summary>The matrix of which <paramref name="gate"/> is the first half.</summary>
    private static Matrix Whole(Matrix gate) => gate with { Columns = gate.Stride };

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
