using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>SwiGLU (Shazeer, arXiv 2002.05202): y = down(silu(gate(x)) * up(x)), silu(g) = g / (1 + exp(-g)).</summary>
internal sealed class FeedForward(Linear gate, Linear up, Linear down)
{
    public Linear Gate { get; } = gate;
    public Linear Up { get; } = up;
    public Linear Down { get; } = down;

    /// <summary>y[N x H] from x[N x H]; g, u and a[N x F] are kept for the backward pass.</summary>
    public void Forward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix a, Matrix y)
    {
        Gate.Forward(context, x, g);
        Up.Forward(context, x, u);
        Activate(context, g, u, a);
        Down.Forward(context, a, y);
    }

    /// <summary>dx[N x H] from dy[N x H].</summary>
    public void Backward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix a, Matrix dy, Matrix dx)
    {
        Matrix da = context.Rent(a.Rows, a.Columns), dg = context.Rent(a.Rows, a.Columns);
        Down.Backward(context, a, dy, da, accumulate: false);
        ActivateBackward(context, g, u, da, dg, du: da);
        Gate.Backward(context, x, dg, dx, accumulate: false);
        Up.Backward(context, x, da, dx, accumulate: true);
        context.Return(da);
        context.Return(dg);
    }

    /// <summary>a = silu(g) * u.</summary>
    internal static void Activate(EngineContext context, Matrix g, Matrix u, Matrix a) =>
        context.Workers.ForBlocks(g.Rows, EngineContext.RowBlock, (start, end) =>
        {
            for (var row = start; row < end; row++)
            {
                Span<float> gate = g[row], up = u[row], output = a[row];
                Sigmoid(gate, output);
                VectorMath.Multiply(output, gate, 1, output);
                VectorMath.Multiply(output, up, 1, output);
            }
        });

    /// <summary>With s = sigmoid(g): du = da * g s, dg = da * u * s (1 + g (1 - s)). <paramref name="du"/> may be <paramref name="da"/>.</summary>
    internal static void ActivateBackward(EngineContext context, Matrix g, Matrix u, Matrix da, Matrix dg, Matrix du) =>
        context.Workers.ForBlocks(g.Rows, EngineContext.RowBlock, (start, end) =>
        {
            for (var row = start; row < end; row++)
            {
                Span<float> gate = g[row], up = u[row], upstream = da[row], gateGradient = dg[row], upGradient = du[row];
                Sigmoid(gate, gateGradient);
                var i = 0;
                for (; i + 8 <= gate.Length; i += 8)
                {
                    Vector256<float> s = Vector256.Create(gateGradient.Slice(i, 8)), x = Vector256.Create(gate.Slice(i, 8)), d = Vector256.Create(upstream.Slice(i, 8));
                    (d * Vector256.Create(up.Slice(i, 8)) * s * (Vector256<float>.One + x * (Vector256<float>.One - s))).CopyTo(gateGradient[i..]);
                    (d * x * s).CopyTo(upGradient[i..]);
                }
                for (; i < gate.Length; i++)
                {
                    float s = gateGradient[i], x = gate[i], d = upstream[i];
                    gateGradient[i] = d * up[i] * s * (1 + x * (1 - s));
                    upGradient[i] = d * x * s;
                }
            }
        });

    private static void Sigmoid(ReadOnlySpan<float> x, Span<float> result)
    {
        var i = 0;
        for (; i + 8 <= x.Length; i += 8)
            (Vector256<float>.One / (Vector256<float>.One + Vector256.Exp(-Vector256.Create(x.Slice(i, 8))))).CopyTo(result[i..]);
        for (; i < x.Length; i++) result[i] = 1 / (1 + MathF.Exp(-x[i]));
    }
}
