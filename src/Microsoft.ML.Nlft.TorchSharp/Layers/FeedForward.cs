using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>SwiGLU (Shazeer, arXiv 2002.05202): y = down(silu(gate(x)) * up(x)).</summary>
internal sealed class FeedForward(Linear gate, Linear up, Linear down) : IFeedForward
{
    public Linear Gate { get; } = gate;
    public Linear Up { get; } = up;
    public Linear Down { get; } = down;

    public IEnumerable<Linear> Linears => [Gate, Up, Down];

    public bool IsTrainable => Linears.Any(linear => linear.IsTrainable);

    public Tensor Forward(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var activated = functional.silu(Gate.Forward(context, x, rows)) * Up.Forward(context, x, rows);
        return Down.Forward(context, activated, rows).MoveToOuterDisposeScope();
    }
}
