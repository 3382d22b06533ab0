namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z) with z = s h W^T + b. Logits exist for one chunk
/// of the vocabulary at a time; the backward pass recomputes them. Products use the compute type, everything else float32. A row
/// may ask for more tokens than y, K in all. With a soft cap c, the logits are c tanh(z / c).
/// </summary>
internal sealed class TokenHead(Weight weight, double scale, double? cap, Weight? bias)
{
    private const int LeastLogits = 1 << 23, LeastColumns = 1024; // at a time: 32 MiB in float32, and for each row

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

    /// <summary>
    /// Returns the results of every row, side by side: K log-probabilities, the log-sum-exp, and whether no token is likelier than the first asked
    /// one (1 or 0); then the likeliest tokens, their log-probabilities and their ids. [R, K + 2 + 2 likeliest].
    /// </summary>
    /// <param name="h">The input, [R, H] or [R, H + r].</param>
    /// <param name="asked">The tokens, [R, K].</param>
    /// <param name="likeliest">Number of likeliest tokens to find.</param>
    public Tensor Forward(Tensor h, Tensor asked, int likeliest)
    {
        using var scope = NewDisposeScope();
        var found = zeros_like(asked, float32);
        var logSum = full([asked.shape[0], 1], float.NegativeInfinity, float32, h.device);
        var (largest, best) = (logSum.clone(), ((Tensor Values, Tensor Ids)?)null);
        foreach (var (first, count) in Chunks(h.shape[0]))
        {
            using var chunk = NewDisposeScope();
            var z = Logits(h, first, count);
            var (column, inside) = Column(asked, first, count);
            found.copy_(where(inside, z.gather(1, column), found));
            logSum.copy_(logaddexp(logSum, z.logsumexp(1, keepdim: true)));
            largest.copy_(maximum(largest, z.amax([1], keepdim: true)));
            if (likeliest > 0) best = Best(best, z, first, likeliest);
        }
        var y = found.narrow(1, 0, 1);
        return cat([(found - logSum).clamp_max_(_zero), logSum, y.ge(largest).to_type(float32),
            .. best is { } top ? new[] { (top.Values - logSum).clamp_max_(_zero), top.Ids.to_type(float32) } : []], 1).MoveToOuterDisposeScope();
    }

    /// <summary>The most logits that exist at a time for so many rows: a sixteenth of the output matrix's size where that is many.</summary>
    public static long MostLogits(long rows, long vocabulary, long hiddenSize) =>
        Math.Min(rows * vocabulary, Math.Max(rows * LeastColumns, Budget(vocabulary, hiddenSize)));

    private static long Budget(long vocabulary, long hiddenSize) => Math.Max(LeastLogits, vocabulary * hiddenSize / 16);

    /// <summary>The chunks of the vocabulary for so many rows.</summary>
    private IEnumerable<(long First, long Count)> Chunks(long rows)
    {
        var size = Math.Max(LeastColumns, Budget(Weight.Rows, Weight.Columns) / Math.Max(1, rows) / LeastColumns * LeastColumns);
        for (var first = 0L; first < Weight.Rows; first += size) yield return (first, Math.Min(size, Weight.Rows - first));
    }

    /// <summary>Merges the likeliest tokens so far, if any, with those of a chunk.</summary>
    private static (Tensor Values, Tensor Ids) Best((Tensor Values, Tensor Ids)? best, Tensor z, long first, int count)
    {
        using Scalar start = first;
        var (values, columns) = z.topk((int)Math.Min(count, z.shape[1]), 1);
        var ids = columns.add(start);
        if (best is { } before)
        {
            (var all, ids) = (cat([before.Values, values], 1), cat([before.Ids, ids], 1));
            (values, columns) = all.topk((int)Math.Min(count, all.shape[1]), 1);
            ids = ids.gather(1, columns);
        }
        return (values.MoveToOuterDisposeScope(), ids.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// With c_k the coefficients of a row's asked tokens, c their sum and g = s (c softmax(z) - sum c_k onehot(k)), returns dh = g [W, B] in float32
    /// and adds dW += g^T h and db += g^T 1 / s, if W is trainable, and dB += g^T low.
    /// </summary>
    public Tensor Backward(Tensor h, Tensor asked, Tensor logSums, Tensor coefficients)
    {
        using var scope = NewDisposeScope();
        var dh = zeros_like(h, float32);
        var single = asked.shape[1] == 1;
        var c = coefficients * _scale;
        var sum = single ? c : c.to_type(float64).sum(1, keepdim: true).to_type(float32); // it often cancels
        foreach (var (first, count) in Chunks(h.shape[0]))
        {
            using var chunk = NewDisposeScope();
            var z = Logits(h, first, count);
            var slope = cap is null ? null : z.mul(_inverseCap).pow(_two).neg_().Plus(_one);
            var g = z.sub_(logSums).exp_();
            var (column, inside) = Column(asked, first, count);
            var removed = inside.to_type(float32).neg_();
            if (!single) g.mul_(sum);
            g.scatter_add_(1, column, single ? removed : removed.mul_(c));
            if (slope is not null) g.mul_(slope);
            if (single) g.mul_(c);
            var narrow = g.to_type(h.dtype);
            dh.Add(narrow.mm(Range(first, count)));
            Weight.Parameter?.Gradient!.narrow(0, first, count).Add(narrow.t().mm(h.narrow(1, 0, Weight.Columns)));
            Lora?.B.Gradient!.narrow(0, first, count).Add(narrow.t().mm(h.narrow(1, Weight.Columns, Lora.B.Shape[1])));
            bias?.Parameter?.Gradient!.narrow(0, first, count).Add(g.sum(dim: 0).mul_(_inverseScale));
        }
        return dh.MoveToOuterDisposeScope();
    }

    /// <summary>Returns all logits z[B, V] in float32, for decoding.</summary>
    public Tensor Logits(Tensor h) => Logits(h, 0, Weight.Rows);

    private Tensor Logits(Tensor h, long first, long count) => Finished(h.mm(Range(first, count).t()).to_type(float32), first);

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

    /// <summary>
    /// Returns the column of every token in the chunk that starts at <paramref name="first"/> (the nearest one for a token outside of it) and
    /// whether the token is inside.
    /// </summary>
    private static (Tensor Column, Tensor Inside) Column(Tensor tokens, long first, long count)
    {
        using Scalar start = first, zero = 0L, last = count - 1;
        var offset = tokens.sub(start);
        var column = offset.clamp(zero, last);
        return (column, offset.eq(column));
    }
}
