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
        var (first, width, f) = (gateUp[0].Forward(context, x, rows), configuration.IntermediateSize, configuration.Activation);
        var activated = configuration.FeedForwardLayout switch
        {
            FeedForwardLayout.UpOnly => Activate(f, first),
            FeedForwardLayout.Fused => Gate(f, first.split([width, width], -1)),
            _ => Gate(f, [first, gateUp[1].Forward(context, x, rows)]),
        };
        return down.Forward(context, activated, rows, residual).MoveToOuterDisposeScope();
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
