using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;
using Approximation = TorchSharp.Modules.GELU.Approximate;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>A gated feed-forward network (Shazeer, arXiv 2002.05202): y = down(f(gate(x)) * up(x)), where f is the activation.</summary>
internal sealed class FeedForward(Linear gate, Linear up, Linear down, Activation activation) : IFeedForward
{
    public Linear Gate { get; } = gate;
    public Linear Up { get; } = up;
    public Linear Down { get; } = down;

    public IEnumerable<Linear> Linears => [Gate, Up, Down];

    public bool IsTrainable => Linears.Any(linear => linear.IsTrainable);

    public Tensor Forward(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var activated = Activate(Gate.Forward(context, x, rows)) * Up.Forward(context, x, rows);
        return Down.Forward(context, activated, rows).MoveToOuterDisposeScope();
    }

    /// <summary>Computes f(x).</summary>
    public Tensor Activate(Tensor x) => activation switch
    {
        Activation.Silu => functional.silu(x),
        Activation.Gelu => x.gelu(),
        Activation.GeluTanh => x.gelu(Approximation.tanh),
        _ => throw new ArgumentOutOfRangeException(nameof(x), activation, null),
    };
}
