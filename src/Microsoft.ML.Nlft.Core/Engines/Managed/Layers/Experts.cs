using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A mixture of experts, y = sum over a token's experts of w_e down_e(f(gate_e(x)) * up_e(x)); see <see cref="ExpertConfiguration"/>. The rows of
/// an expert are gathered, so that it computes its own tokens only. A row's products give the same bits alone or among others, and a token adds up
/// its experts in their order, so results depend neither on threads nor on the batch. The weight w_e is applied to the input of down_e.
/// </summary>
internal sealed class Experts(ExpertConfiguration configuration, Linear router, Expert[] experts, Activation activation) : IFeedForward
{
    /// <summary>The router, W [E x H].</summary>
    public Linear Router { get; } = router;

    public IEnumerable<Linear> Linears => experts.SelectMany(expert => new[] { expert.Gate, expert.Up, expert.Down }).Prepend(Router);

    public void Forward(EngineContext context, Matrix x, LayerActivations a, Matrix? residual, Matrix y)
    {
        var routing = a.Routing!;
        Router.Forward(context, x, routing.Probabilities);
        routing.Choose(context);
        var (gate, up) = a.GateAndUp(routing.Count, configuration.IntermediateSize);
        Matrix rows = context.Rent(routing.Count, x.Columns), active = context.Rent(routing.Count, gate.Columns);
        routing.Gather(context, x, rows);
        for (var e = 0; e < experts.Length; e++)
        {
            var (first, count) = routing.RowsOf(e);
            if (count == 0) continue;
            Linear.Forward(context, rows.RowRange(first, count), (experts[e].Gate, gate.RowRange(first, count)),
                (experts[e].Up, up.RowRange(first, count)));
        }
        Activations.Forward(activation, context, gate, up, active);
        context.ForRows(active.Rows, (active, routing.Weights), static (loop, row) => VectorMath.Scale(loop.active[row], loop.Weights[row]));
        for (var e = 0; e < experts.Length; e++)
        {
            var (first, count) = routing.RowsOf(e);
            if (count > 0) experts[e].Down.Forward(context, active.RowRange(first, count), rows.RowRange(first, count)); // the inputs are read
        }
        if (residual is { } stream) stream.CopyTo(y);
        else y.Clear();
        routing.AddTo(context, rows, y);
        context.Return(rows);
        context.Return(active);
    }

    /// <summary>
    /// With a = f(g) * u and d = down^T dy of a row's expert: dw = d a and da = w d. The gradient of down is that of a product with w a.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, LayerActivations a, Matrix dy, Matrix? dx)
    {
        var routing = a.Routing!;
        var (gate, up) = a.GateAndUp(routing.Count, configuration.IntermediateSize);
        Matrix inputs = context.Rent(routing.Count, x.Columns), upstream = context.Rent(routing.Count, x.Columns);
        Matrix active = context.Rent(routing.Count, gate.Columns), weighted = context.Rent(routing.Count, gate.Columns);
        Matrix dActive = context.Rent(routing.Count, gate.Columns), dLogits = context.Rent(x.Rows, experts.Length);
        routing.Gather(context, x, inputs);
        routing.Gather(context, dy, upstream);
        Activations.Forward(activation, context, gate, up, active);
        context.ForRows(active.Rows, (active, weighted, routing.Weights), static (loop, row) =>
        {
            loop.active[row].CopyTo(loop.weighted[row]);
            VectorMath.Scale(loop.weighted[row], loop.Weights[row]);
        });
        for (var e = 0; e < experts.Length; e++)
        {
            var (first, count) = routing.RowsOf(e);
            if (count == 0) continue;
            experts[e].Down.Backward(context, weighted.RowRange(first, count), upstream.RowRange(first, count), dActive.RowRange(first, count),
                accumulate: false);
        }
        context.ForRows(active.Rows, (active, dActive, routing), static (loop, row) =>
        {
            loop.routing.WeightGradients[row] = VectorMath.Dot(loop.dActive[row], loop.active[row]);
            VectorMath.Scale(loop.dActive[row], loop.routing.Weights[row]);
        });
        var (dGate, dUp) = (active, dActive); // overwrites what is no longer needed
        Activations.Backward(activation, context, gate, up, dActive, dGate, dUp);
        for (var e = 0; e < experts.Length; e++)
        {
            var (first, count) = routing.RowsOf(e);
            if (count == 0) continue;
            var (input, dInput) = (inputs.RowRange(first, count), dx is null ? (Matrix?)null : upstream.RowRange(first, count));
            experts[e].Gate.Backward(context, input, dGate.RowRange(first, count), dInput, accumulate: false);
            experts[e].Up.Backward(context, input, dUp.RowRange(first, count), dInput, accumulate: true);
        }
        routing.Backward(context, dLogits);
        Router.Backward(context, x, dLogits, dx, accumulate: false);
        if (dx is { } sum) routing.AddTo(context, upstream, sum);
        foreach (var matrix in (ReadOnlySpan<Matrix>)[inputs, upstream, active, weighted, dActive, dLogits]) context.Return(matrix);
    }
}

/// <summary>The linear layers of an expert.</summary>
internal sealed record Expert(Linear Gate, Linear Up, Linear Down);
