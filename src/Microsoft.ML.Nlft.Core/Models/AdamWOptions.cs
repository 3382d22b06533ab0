namespace Microsoft.ML.Nlft.Models;

/// <summary>AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping by global norm, as in PyTorch's <c>AdamW</c> and <c>clip_grad_norm_</c>.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the first moment, in [0, 1). Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment, in [0, 1). Default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment, above 0. Default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay, 0 or more. Default 0 (the published runs).</summary>
    public double WeightDecay { get; init; }

    /// <summary>Largest global L2 norm of the gradients, above 0; infinity turns clipping off. Default 1.0.</summary>
    public double MaximumGradientNorm { get; init; } = 1.0;
}
