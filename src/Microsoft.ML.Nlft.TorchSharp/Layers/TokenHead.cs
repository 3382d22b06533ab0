using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z) with z = s h W^T + b. Logits exist for one block of
/// rows and one chunk of the vocabulary at a time; the backward pass recomputes them. Products use the compute type, everything else float32. With a
/// soft cap c, the logits are c tanh(z / c).
/// </summary>
internal sealed class TokenHead(Weight weight, double scale, double? cap, Weight? bias)
{
    private const int Chunk = 8192, RowsPerBlock = 1024;

    // Fields: temporary scalars could be collected during the native call.
    private readonly Scalar _scale = scale, _cap = cap ?? 0, _inverseCap = 1 / cap ?? 0, _zero = 0, _one = 1, _two = 2, _inverseScale = 1 / scale;

    /// <summary>The output matrix [V, H]; the embedding if the weights are tied.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>The adapter's factors, or null.</summary>
    public LoraFactors? Lora { get; set; }

    /// <summary>
    /// Returns the input that the other methods expect: h[R, H] itself or, with factors, [h, low], because h W^T + low B^T = [h, low] [W, B]^T.
    /// </summary>
    public Tensor Input(PassContext context, Tensor h, Tensor? rows = null) => Lora is null ? h : cat([h, Lora.Low(context, h, rows)], 1);

    /// <summary>Returns log-probabilities, log-sum-exps and whether the target is the most likely token (1 or 0), as the rows of [3, R].</summary>
    /// <param name="h">The input, [R, H] or [R, H + r].</param>
    /// <param name="targets">The predicted tokens, [R].</param>
    public Tensor Forward(Tensor h, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var blocks = new List<Tensor>();
        for (var row = 0L; row < h.shape[0]; row += RowsPerBlock)
        {
            var (hidden, y) = Block(h, targets, row);
            var target = zeros_like(y, float32);
            var (logSum, largest) = (full_like(target, float.NegativeInfinity), full_like(target, float.NegativeInfinity));
            for (var first = 0L; first < Weight.Rows; first += Chunk)
            {
                using var chunk = NewDisposeScope();
                var z = Logits(hidden, first);
                var (column, inside) = Column(y, first, z.shape[1]);
                target.copy_(where(inside, z.gather(1, column.unsqueeze(1)).squeeze(1), target));
                logSum.copy_(logaddexp(logSum, z.logsumexp(1)));
                largest.copy_(maximum(largest, z.amax([1])));
            }
            blocks.Add(stack([(target - logSum).clamp_max_(_zero), logSum, target.ge(largest).to_type(float32)]));
        }
        return cat(blocks, 1).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// With g = c s (softmax(z) - onehot(y)), returns dh = g [W, B] in float32 and adds dW += g^T h and db += g^T 1 / s, if W is trainable, and
    /// dB += g^T low.
    /// </summary>
    public Tensor Backward(Tensor h, Tensor targets, Tensor logSums, Tensor coefficients)
    {
        using var scope = NewDisposeScope();
        var dh = zeros_like(h, float32);
        for (var row = 0L; row < h.shape[0]; row += RowsPerBlock)
        {
            var (hidden, y) = Block(h, targets, row);
            var rows = y.shape[0];
            var (logSum, c) = (logSums.narrow(0, row, rows).unsqueeze(1), coefficients.narrow(0, row, rows).unsqueeze(1) * _scale);
            for (var first = 0L; first < Weight.Rows; first += Chunk)
            {
                using var chunk = NewDisposeScope();
                var z = Logits(hidden, first);
                var slope = cap is null ? null : z.mul(_inverseCap).pow(_two).neg_().Plus(_one);
                var g = z.sub_(logSum).exp_();
                var (column, inside) = Column(y, first, g.shape[1]);
                g.scatter_add_(1, column.unsqueeze(1), inside.to_type(float32).neg_().unsqueeze(1));
                if (slope is not null) g.mul_(slope);
                var narrow = g.mul_(c).to_type(h.dtype);
                dh.narrow(0, row, rows).Add(narrow.mm(Range(first, g.shape[1])));
                Weight.Parameter?.Gradient!.narrow(0, first, g.shape[1]).Add(narrow.t().mm(hidden.narrow(1, 0, Weight.Columns)));
                Lora?.B.Gradient!.narrow(0, first, g.shape[1]).Add(narrow.t().mm(hidden.narrow(1, Weight.Columns, Lora.B.Shape[1])));
                bias?.Parameter?.Gradient!.narrow(0, first, g.shape[1]).Add(g.sum(dim: 0).mul_(_inverseScale));
            }
        }
        return dh.MoveToOuterDisposeScope();
    }

    /// <summary>Returns all logits z[B, V] in float32, for decoding.</summary>
    public Tensor Logits(Tensor h) => Finished(functional.linear(h, Lora is null ? Weight.Values : Range(0, Weight.Rows)).to_type(float32), 0);

    private Tensor Logits(Tensor h, long first) =>
        Finished(functional.linear(h, Range(first, Math.Min(Chunk, Weight.Rows - first))).to_type(float32), first);

    /// <summary>Returns rows of [W, B] in the compute type.</summary>
    private Tensor Range(long first, long count)
    {
        var range = Weight.Range(first, count);
        return Lora is null ? range : cat([range, Lora.B.Values.narrow(0, first, count).to_type(range.dtype)], 1);
    }

    /// <summary>The logits of the tokens from <paramref name="first"/> on, from the product with their rows of W.</summary>
    private Tensor Finished(Tensor z, long first)
    {
        if (scale != 1) z.mul_(_scale);
        if (bias is not null) z.Add(bias.Range(first, z.shape[1]));
        if (cap is not null) z.mul_(_inverseCap).tanh_().mul_(_cap);
        return z;
    }

    private static (Tensor Hidden, Tensor Targets) Block(Tensor h, Tensor targets, long row)
    {
        var rows = Math.Min(RowsPerBlock, h.shape[0] - row);
        return (h.narrow(0, row, rows), targets.narrow(0, row, rows));
    }

    /// <summary>
    /// Returns the column of every target in the chunk that starts at <paramref name="first"/> (the nearest one for a target outside of it) and
    /// whether the target is inside.
    /// </summary>
    private static (Tensor Column, Tensor Inside) Column(Tensor targets, long first, long count)
    {
        using Scalar start = first, zero = 0L, last = count - 1;
        var offset = targets.sub(start);
        var column = offset.clamp(zero, last);
        return (column, offset.eq(column));
    }
}
