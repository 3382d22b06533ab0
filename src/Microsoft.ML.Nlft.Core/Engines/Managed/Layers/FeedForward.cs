using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The feed-forward network of a layer, gated (Shazeer, arXiv 2002.05202), y = down(f(gate(x)) * up(x)), or not, y = down(f(up(x))), where f is the
/// activation. One projection may give gate and up, as the halves of its rows.
/// </summary>
internal sealed class FeedForward(IReadOnlyList<Linear> gateUp, Linear down, FeedForwardLayout layout, Activation activation) : IFeedForward
{
    private readonly float[] _ones = layout == FeedForwardLayout.UpOnly ? [.. Enumerable.Repeat(1f, down.Inputs)] : [];

    public IEnumerable<Linear> Linears => [.. gateUp, down];

    public void Forward(EngineContext context, Matrix x, LayerActivations activations, Matrix? residual, Matrix y)
    {
        var (g, u) = activations.GateAndUp(x.Rows, down.Inputs);
        Forward(context, x, g, u, residual, y);
    }

    public void Backward(EngineContext context, Matrix x, LayerActivations activations, Matrix dy, Matrix? dx)
    {
        var (g, u) = activations.GateAndUp(x.Rows, down.Inputs);
        Backward(context, x, g, u, dy, dx);
    }

    /// <summary>Computes y[N x H] = residual + FFN(x[N x H]); fills g[N x F] and u[N x F] for the backward pass.</summary>
    public void Forward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix? residual, Matrix y)
    {
        if (gateUp is [var gate, var up]) Linear.Forward(context, x, (gate, g), (up, u));
        else gateUp[0].Forward(context, x, Projected(g));
        u = Factor(u);
        var a = context.Rent(g.Rows, g.Columns);
        Activations.Forward(activation, context, g, u, a);
        down.Forward(context, a, y, residual);
        context.Return(a);
    }

    /// <summary>
    /// Computes dx[N x H] from dy[N x H] and adds to the gradients of the trainable weights; only the latter if <paramref name="dx"/> is null.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix g, Matrix u, Matrix dy, Matrix? dx)
    {
        u = Factor(u);
        var (a, da) = RentPair(context, g.Rows, g.Columns, layout);
        Activations.Forward(activation, context, g, u, a);
        down.Backward(context, a, dy, da, accumulate: false);
        var (dg, du) = (a, da); // overwrites what is no longer needed
        Activations.Backward(activation, context, g, u, da, dg, du);
        if (gateUp is [var gate, var up])
        {
            gate.Backward(context, x, dg, dx, accumulate: false);
            up.Backward(context, x, du, dx, accumulate: true);
        }
        else
        {
            gateUp[0].Backward(context, x, Projected(dg), dx, accumulate: false);
        }
        ReturnPair(context, a, da);
    }

    /// <summary>Rents what the projections give: one matrix without a gate, else two.</summary>
    public static (Matrix Gate, Matrix Up) RentOutputs(EngineContext context, int rows, int columns, FeedForwardLayout layout)
    {
        if (layout != FeedForwardLayout.UpOnly) return RentPair(context, rows, columns, layout);
        var up = context.Rent(rows, columns);
        return (up, up);
    }

    /// <summary>Rents two matrices of the same size, as the halves of one if they belong to one projection.</summary>
    public static (Matrix Gate, Matrix Up) RentPair(EngineContext context, int rows, int columns, FeedForwardLayout layout)
    {
        if (layout != FeedForwardLayout.Fused) return (context.Rent(rows, columns), context.Rent(rows, columns));
        var whole = context.Rent(rows, 2 * columns);
        return (whole.Slice(0, rows, 0, columns), whole.Slice(0, rows, columns, columns));
    }

    /// <summary>Gives back what <see cref="RentPair"/> rented.</summary>
    public static void ReturnPair(EngineContext context, Matrix gate, Matrix up)
    {
        context.Return(gate);
        if (up.Data != gate.Data) context.Return(up);
    }

    /// <summary>What the one projection gives: the matrix of which <paramref name="gate"/> is the first half, or all of it.</summary>
    private Matrix Projected(Matrix gate) => layout == FeedForwardLayout.Fused ? gate with { Columns = gate.Stride } : gate;

    /// <summary>What the activation is multiplied by: ones without a gate.</summary>
    private Matrix Factor(Matrix up) => layout == FeedForwardLayout.UpOnly ? new Matrix(_ones, 0, up.Rows, _ones.Length, Stride: 0) : up;
}
