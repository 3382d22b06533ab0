using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>A linear layer y = x W^T + bias, with a LoRA adapter or without: + scaling * dropout(x) A^T B^T.</summary>
internal sealed class Linear(string module, Weight weight, Weight? bias)
{
    /// <summary>The module's path, for example model.layers.0.mlp.gate_proj.</summary>
    public string Module { get; } = module;
    public Weight Weight { get; } = weight;
    public Weight? Bias { get; } = bias;
    public LoraFactors? Lora { get; set; }

    /// <summary>Whether anything here has a gradient.</summary>
    public bool IsTrainable => Weight.Parameter is not null || Lora is { A.Gradient: not null };

    /// <summary>y[N, out] from x[N, in], or of some rows of the batch when x has those alone.</summary>
    public Tensor Forward(PassContext context, Tensor x, Tensor? rows = null)
    {
        Tensor y;
        if (Weight.Scales is null)
        {
            y = functional.linear(x, Weight.Values, Bias?.Values);
        }
        else
        {
            y = functional.linear(x, Weight.Values) * Weight.Scales; // the scales of W's rows are those of y's columns
            if (Bias is not null) y = y + Bias.Values;
        }
        return Lora is null ? y : Lora.AddTo(context, x, y, rows);
    }
}

/// <summary>The two factors of one adapted layer, A [r, in] and B [out, r]: float32, multiplied in the compute type.</summary>
/// <param name="number">Of the module among the adapted ones.</param>
/// <param name="a">A.</param>
/// <param name="b">B.</param>
/// <param name="scaling">The factor on the product.</param>
/// <param name="dropout">The probability, 0 for none.</param>
internal sealed class LoraFactors(int number, Parameter a, Parameter b, double scaling, double dropout)
{
    private readonly Scalar _scaling = scaling, _trainingScaling = scaling / (1 - dropout);

    public Parameter A { get; } = a;
    public Parameter B { get; } = b;

    /// <summary>y + scaling * dropout(x) A^T B^T, with dropout's 1 / (1 - p) drawn into the scaling.</summary>
    public Tensor AddTo(PassContext context, Tensor x, Tensor y, Tensor? rows)
    {
        var kept = context.Dropout is { } masks ? x * masks.Mask(number, dropout, x.shape[1], rows) : x;
        var low = functional.linear(kept, A.Values.to_type(x.dtype));
        return y.add(functional.linear(low, B.Values.to_type(x.dtype)), alpha: context.Dropout is null ? _scaling : _trainingScaling);
    }
}
