using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>A gated feed-forward network (Shazeer, arXiv 2002.05202): y = down(f(gate(x)) * up(x)), where f is the activation.</summary>
internal sealed class FeedForward(Linear gate, Linear up, Linear down, Activation activation)
{
    public Linear Gate { get; } = gate;
    public Linear Up { get; } = up;
    public Linear Down { get; } = down;

    /// <summary>Computes y[N x H] = residual + FFN(x[N x H]); fills g[N x F] and u[N x F] for the backward pass.</summary>
    public void Forward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix? residual, Matrix y)
    {
        Linear.Forward(context, x, (Gate, g), (Up, u));
        var a = context.Rent(g.Rows, g.Columns);
        Activations.Forward(activation, context, g, u, a);
        Down.Forward(context, a, y, residual);
        context.Return(a);
    }

    /// <summary>
    /// Computes dx[N x H] from dy[N x H] and adds to the gradients of the trainable weights; only the latter if <paramref name="dx"/> is null.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix dy, Matrix? dx)
    {
        Matrix a = context.Rent(g.Rows, g.Columns), da = context.Rent(g.Rows, g.Columns);
        Activations.Forward(activation, context, g, u, a);
        Down.Backward(context, a, dy, da, accumulate: false);
        var (dg, du) = (a, da); // overwrites what is no longer needed
        Activations.Backward(activation, context, g, u, da, dg, du);
        Gate.Backward(context, x, dg, dx, accumulate: false);
        Up.Backward(context, x, du, dx, accumulate: true);
        context.Return(a);
        context.Return(da);
    }
}
