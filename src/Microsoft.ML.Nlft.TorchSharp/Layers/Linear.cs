using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>A linear layer, y = x W^T + bias, optionally with a LoRA adapter: + scaling * dropout(x) A^T B^T.</summary>
internal sealed class Linear(string module, Weight weight, Weight? bias)
{
    /// <summary>The module's path, for example model.layers.0.mlp.gate_proj.</summary>
    public string Module { get; } = module;
    public Weight Weight { get; } = weight;
    public Weight? Bias { get; } = bias;
    public LoraFactors? Lora { get; set; }

    /// <summary>Whether any tensor of the layer is trainable.</summary>
    public bool IsTrainable => Weight.Parameter is not null || Lora is { A.Gradient: not null };

    /// <summary>Computes y[N, out] from x[N, in]; <paramref name="rows"/> names the rows of the batch that x holds if these are not all.</summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        Tensor y;
        if (Weight.Scales is null)
        {
            y = functional.linear(x, Weight.Values, Bias?.Values);
        }
        else
        {
            y = functional.linear(x, Weight.Values) * Weight.Scales; // the scales of the rows of W are those of the columns of y
            if (Bias is not null) y = y + Bias.Values;
        }
        return Lora is null ? y : Lora.AddTo(context, x, y, rows);
    }
}

/// <summary>The LoRA factors of one layer (Hu et al., arXiv 2106.09685), A [r, in] and B [out, r]: float32, multiplied in the compute type.</summary>
/// <param name="number">The number of the module among the adapted ones.</param>
/// <param name="a">A.</param>
/// <param name="b">B.</param>
/// <param name="scaling">The factor on the product.</param>
/// <param name="dropout">The probability of dropout, 0 for none.</param>
internal sealed class LoraFactors(int number, Parameter a, Parameter b, double scaling, double dropout)
{
    private readonly Scalar _scaling = scaling, _trainingScaling = scaling / (1 - dropout);

    public Parameter A { get; } = a;
    public Parameter B { get; } = b;

    /// <summary>Returns y + scaling * dropout(x) A^T B^T; the factor 1 / (1 - p) of dropout is part of the scaling.</summary>
    public Tensor AddTo(PassContext context, Tensor x, Tensor y, Tensor? rows)
    {
        var kept = context.Dropout is { } masks ? x * masks.Mask(number, dropout, x.shape[1], rows) : x;
        var low = functional.linear(kept, A.Values.to_type(x.dtype));
        return y.add(functional.linear(low, B.Values.to_type(x.dtype)), alpha: context.Dropout is null ? _scaling : _trainingScaling);
    }
}
