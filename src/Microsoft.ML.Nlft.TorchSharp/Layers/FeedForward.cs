using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;
using Approximation = TorchSharp.Modules.GELU.Approximate;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The feed-forward network of a layer, gated (Shazeer, arXiv 2002.05202), y = down(f(gate(x)) * up(x)), or not, y = down(f(up(x))), where f is the
/// activation.
/// </summary>
/// <param name="gateUp">The projections to gate and up; a single one gives both, or up alone.</param>
/// <param name="down">The output projection.</param>
/// <param name="configuration">The model.</param>
internal sealed class FeedForward(IReadOnlyList<Linear> gateUp, Linear down, ModelConfiguration configuration) : IFeedForward
{
    public IEnumerable<Linear> Linears => [.. gateUp, down];

    public bool IsTrainable => Linears.Any(linear => linear.IsTrainable);

    public Tensor Forward(PassContext context, Tensor x, Tensor? rows, Tensor? residual)
    {
        using var scope = NewDisposeScope();
        return Down(context, GateUp(context, x, rows), rows, residual).MoveToOuterDisposeScope();
    }

    /// <summary>Computes gate(x) and up(x), side by side in one tensor where one matrix gives both; or up(x) alone.</summary>
    public Tensor[] GateUp(PassContext context, Tensor x, Tensor? rows) => [.. gateUp.Select(linear => linear.Forward(context, x, rows))];

    /// <summary>Computes y from what <see cref="GateUp"/> returned, plus r if there is one.</summary>
    public Tensor Down(PassContext context, Tensor[] products, Tensor? rows, Tensor? residual)
    {
        using var scope = NewDisposeScope();
        return down.Forward(context, Activated(products), rows, residual).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Computes the gradients from dy and what <see cref="GateUp"/> returned: adds those of the adapters, and returns dx if it is needed, else null.
    /// The activation is computed once more, so that the pass keeps two tensors as wide as the network inside, not the five of autograd.
    /// </summary>
    public Tensor? Backward(PassContext context, Tensor x, Tensor[] products, Tensor dy, Tensor? rows, bool needed)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var leaves = Array.ConvertAll(products, product => product.detach().requires_grad_());
        Tensor activated;
        using (enable_grad()) activated = Activated(leaves);
        activated.backward([down.Backward(context, activated.detach(), dy, rows)!]);
        Tensor? dx = null;
        for (var i = 0; i < gateUp.Count; i++) dx = gateUp[i].Backward(context, x, leaves[i].grad!, rows, needed, dx);
        return dx?.MoveToOuterDisposeScope();
    }

    private Tensor Activated(Tensor[] products)
    {
        var (f, width) = (configuration.Activation, configuration.IntermediateSize);
        return configuration.FeedForwardLayout switch
        {
            FeedForwardLayout.UpOnly => Activate(f, products[0]),
            FeedForwardLayout.Fused => Gate(f, products[0].split([width, width], -1)),
            _ => Gate(f, products),
        };
    }

    private static Tensor Gate(Activation f, Tensor[] gateUp) => Activate(f, gateUp[0]) * gateUp[1];

    /// <summary>Computes f(x).</summary>
    public static Tensor Activate(Activation f, Tensor x) => f switch
    {
        Activation.Silu => functional.silu(x),
        Activation.Gelu => x.gelu(),
        Activation.GeluTanh => x.gelu(Approximation.tanh),
        _ => throw new ArgumentOutOfRangeException(nameof(f), f, null),
    };
}
