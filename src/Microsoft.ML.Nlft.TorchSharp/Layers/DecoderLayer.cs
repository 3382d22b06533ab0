using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>One decoder layer: m = x + o(attention(norm(x))), y = m + down(silu(gate(n)) * up(n)), where n = norm(m).</summary>
internal sealed class DecoderLayer(int index, ModelConfiguration configuration)
{
    public required RmsNorm InputNorm { get; init; }
    public required Linear Q { get; init; }
    public required Linear K { get; init; }
    public required Linear V { get; init; }
    public required Linear O { get; init; }

    /// <summary>The per-head norms of queries and keys (qwen3), or null.</summary>
    public RmsNorm? QueryNorm { get; init; }
    public RmsNorm? KeyNorm { get; init; }
    public required RmsNorm PostAttentionNorm { get; init; }
    public required Linear Gate { get; init; }
    public required Linear Up { get; init; }
    public required Linear Down { get; init; }

    /// <summary>The seven linear layers.</summary>
    public IEnumerable<Linear> Linears => [Q, K, V, O, Gate, Up, Down];

    /// <summary>
    /// Computes y[N, H] from x[N, H] or, if <paramref name="rows"/> names R rows, y[R, H] of these: keys and values are computed for all rows,
    /// everything else for these.
    /// </summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        using var scope = NewDisposeScope();
        var middle = (rows is null ? x : x.index_select(0, rows)) + Attend(context, x, rows);
        return (middle + FeedForward(context, middle, rows)).MoveToOuterDisposeScope();
    }

    private Tensor Attend(PassContext context, Tensor x, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var normed = InputNorm.Forward(x);
        var q = Heads(Q.Forward(context, normed));
        var k = Heads(K.Forward(context, normed));
        var v = Heads(V.Forward(context, normed));
        q = RotaryEmbedding.Rotate(QueryNorm?.Forward(q) ?? q, context.Rotation);
        k = RotaryEmbedding.Rotate(KeyNorm?.Forward(k) ?? k, context.Rotation);
        var attended = context.Attend(index, q, k, v);
        return O.Forward(context, rows is null ? attended : attended.index_select(0, rows), rows).MoveToOuterDisposeScope();
    }

    /// <summary>SwiGLU (Shazeer, arXiv 2002.05202).</summary>
    private Tensor FeedForward(PassContext context, Tensor middle, Tensor? rows)
    {
        using var scope = NewDisposeScope();
        var normed = PostAttentionNorm.Forward(middle);
        var activated = functional.silu(Gate.Forward(context, normed, rows)) * Up.Forward(context, normed, rows);
        return Down.Forward(context, activated, rows).MoveToOuterDisposeScope();
    }

    /// <summary>[N, heads, d] from [N, heads d].</summary>
    private Tensor Heads(Tensor x) => x.view([x.shape[0], -1, configuration.HeadSize]);
}
