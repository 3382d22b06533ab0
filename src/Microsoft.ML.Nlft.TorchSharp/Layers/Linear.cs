namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>A linear layer, y = x W^T + bias, optionally with a LoRA adapter, <see cref="LoraFactors"/>.</summary>
internal sealed class Linear(string module, Weight weight, Weight? bias)
{
    /// <summary>The module's path, for example model.layers.0.mlp.gate_proj.</summary>
    public string Module { get; } = module;
    public Weight Weight { get; } = weight;
    public Weight? Bias { get; set; } = bias;
    public LoraFactors? Lora { get; set; }

    /// <summary>Whether any tensor of the layer is trainable.</summary>
    public bool IsTrainable => Weight.Parameter is not null || Bias?.Parameter?.Gradient is not null || Lora is { A.Gradient: not null };

    /// <summary>
    /// Computes y[N, out] from x[N, in], plus r[N, out] if there is one; <paramref name="rows"/> names the rows of the batch that x holds if these
    /// are not all.
    /// </summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null, Tensor? residual = null)
    {
        // What an adapter does to the product with W comes before the bias and the sum.
        var plain = Lora is null or { IsPlain: true };
        var bias = plain ? Bias : null;
        var sum = plain && bias is null && Weight.Scales is null ? residual : null;
        var first = sum ?? (Weight.Scales is null ? bias?.Values : null);
        var y = Product(x, first, turned: true);
        if (Weight.Scales is not null)
        {
            y = y * Weight.Scales; // the scales of the rows of W are those of the columns of y
            if (bias is not null) y = y.Plus(bias.Values);
        }
        if (Lora is not null) y = Lora.AddTo(context, this, x, y, rows);
        return residual is null || sum is not null ? y : residual.Plus(y);
    }

    /// <summary>
    /// Computes the gradients from x and dy where W and the bias are frozen and the adapter has A and B alone: adds dA and dB, and returns
    /// dx = dy W + the adapter's share, plus the given sum, if it is needed; else null.
    /// </summary>
    public Tensor? Backward(PassContext context, Tensor x, Tensor dy, Tensor? rows, bool needed = true, Tensor? sum = null)
    {
        Tensor? dx = null;
        if (needed)
        {
            using var scaled = Weight.Scales is null ? null : dy * Weight.Scales;
            dx = Product(scaled ?? dy, sum, turned: false);
        }
        Lora?.Backward(context, x, dy, dx, rows);
        return dx;
    }

    /// <summary>Returns x W or x W^T, plus a sum if there is one. A matrix that was widened for it is freed, unless autograd keeps it.</summary>
    private Tensor Product(Tensor x, Tensor? sum, bool turned)
    {
        using var scope = NewDisposeScope();
        var w = turned ? Weight.Transposed : Weight.Values;
        return (sum is null ? x.mm(w) : sum.addmm(x, w, 1, 1)).MoveToOuterDisposeScope();
    }
}
