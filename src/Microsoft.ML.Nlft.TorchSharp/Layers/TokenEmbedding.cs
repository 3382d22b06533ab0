using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The embedding: x_t = multiplier * (W_t + scaling * B A_t), with the row of W [V, H] for each token and, where LoRA adapts it, the column of
/// A [r, V] and B [H, r]; in a model that has them plus P_t, the row of P for its position. No dropout applies to A, as in PEFT.
/// </summary>
internal sealed class TokenEmbedding(Weight weight, double multiplier, Weight? positions)
{
    private readonly Scalar _multiplier = multiplier; // a field: a temporary one could be collected during the native call
    private (Parameter A, Parameter B, Scalar Scaling)? _lora;

    /// <summary>W.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>Whether any tensor is trainable.</summary>
    public bool IsTrainable => Weight.Parameter?.Gradient is not null || _lora?.A.Gradient is not null;

    /// <summary>Attaches the factors of an adapter.</summary>
    public void Attach(Parameter a, Parameter b, double scaling) => _lora = (a, b, scaling);

    /// <summary>Returns x[N, H] in the compute type for a batch, with its graph if a tensor is trainable and the graph is requested.</summary>
    public Tensor Forward(DeviceContext context, PackedBatch batch, bool withGraph)
    {
        using var mode = set_grad_enabled(withGraph && IsTrainable);
        var tokens = context.Indices(batch.Tokens);
        var x = Weight.Select(tokens);
        if (_lora is var (a, b, scaling))
            x = x.add(a.Values.index_select(1, tokens).t().mm(b.Values.t()).to_type(x.dtype), alpha: scaling);
        if (multiplier != 1) x = x * _multiplier;
        return positions is null ? x : x + positions.Select(context.Indices(batch.Positions));
    }
}
