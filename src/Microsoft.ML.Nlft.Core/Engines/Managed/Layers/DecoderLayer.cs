using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>One decoder layer: m = x + o(attention(norm(x))), y = m + feedforward(norm(m)).</summary>
internal sealed class DecoderLayer
{
    public required RmsNorm InputNorm { get; init; }
    public required Linear Q { get; init; }
    public required Linear K { get; init; }
    public required Linear V { get; init; }
    public required Linear O { get; init; }

    /// <summary>The per-head norms of queries and keys (qwen3), or null.</summary>
    public RmsNorm? QueryNorm { get; init; }
    public RmsNorm? KeyNorm { get; init; }
    public required Attention Attention { get; init; }
    public required RmsNorm MiddleNorm { get; init; }
    public required FeedForward FeedForward { get; init; }

    /// <summary>The seven linear layers.</summary>
    public IEnumerable<Linear> Linears => [Q, K, V, O, FeedForward.Gate, FeedForward.Up, FeedForward.Down];

    /// <summary>y[N x H] from x[N x H]; x and y may not be the same matrix. <paramref name="attend"/> computes attended from q, k and v.</summary>
    public void Forward(EngineContext context, RotaryEmbedding rope, Matrix x, LayerActivations a, Matrix y, Action<LayerActivations>? attend = null)
    {
        InputNorm.Forward(context, x, a.Normed);
        Q.Forward(context, a.Normed, a.RawQuery);
        K.Forward(context, a.Normed, a.RawKey);
        V.Forward(context, a.Normed, a.Value);
        QueryNorm?.Forward(context, a.RawQuery, a.Query);
        KeyNorm?.Forward(context, a.RawKey, a.Key);
        rope.Rotate(context, a.Query, 1);
        rope.Rotate(context, a.Key, 1);
        if (attend is null) Attention.Forward(context, a.Query, a.Key, a.Value, a.Attended);
        else attend(a);
        O.Forward(context, a.Attended, a.Middle);
        Add(context, x, a.Middle);
        MiddleNorm.Forward(context, a.Middle, a.MiddleNormed);
        FeedForward.Forward(context, a.MiddleNormed, a.Gate, a.Up, a.Activated, y);
        Add(context, a.Middle, y);
    }

    /// <summary>Turns <paramref name="gradient"/>[N x H] from dy into dx, in place, and adds to the gradients of trainable weights.</summary>
    public void Backward(EngineContext context, RotaryEmbedding rope, Matrix x, LayerActivations a, Matrix gradient)
    {
        var dNormed = context.Rent(x.Rows, x.Columns);
        FeedForward.Backward(context, a.MiddleNormed, a.Gate, a.Up, a.Activated, gradient, dNormed);
        MiddleNorm.Backward(context, a.Middle, dNormed, gradient, accumulate: true);

        Matrix dAttended = context.Rent(x.Rows, a.Attended.Columns), dq = context.Rent(x.Rows, a.Query.Columns);
        Matrix dk = context.Rent(x.Rows, a.Key.Columns), dv = context.Rent(x.Rows, a.Value.Columns);
        O.Backward(context, a.Attended, gradient, dAttended, accumulate: false);
        Attention.Backward(context, a.Query, a.Key, a.Value, dAttended, dq, dk, dv);
        rope.Rotate(context, dq, -1);
        rope.Rotate(context, dk, -1);
        QueryNorm?.Backward(context, a.RawQuery, dq, dq, accumulate: false);
        KeyNorm?.Backward(context, a.RawKey, dk, dk, accumulate: false);
        Q.Backward(context, a.Normed, dq, dNormed, accumulate: false);
        K.Backward(context, a.Normed, dk, dNormed, accumulate: true);
        V.Backward(context, a.Normed, dv, dNormed, accumulate: true);
        InputNorm.Backward(context, x, dNormed, gradient, accumulate: true);
        foreach (var matrix in (Matrix[])[dNormed, dAttended, dq, dk, dv]) context.Return(matrix);
    }

    private static void Add(EngineContext context, Matrix x, Matrix y) =>
        context.Workers.ForBlocks(x.Rows, EngineContext.RowBlock, (start, end) =>
        {
            for (var row = start; row < end; row++) VectorMath.Add(x[row], y[row]);
        });
}
