using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Options of AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping by global norm, as in PyTorch's <c>AdamW</c> and
/// <c>clip_grad_norm_</c>.
/// </summary>
public sealed record AdamWOptions : INestedOptions
{
    /// <summary>Decay of the first moment, in [0, 1). Default 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment, in [0, 1). Default 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment, above 0. Default 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>
    /// Decoupled weight decay, 0 or more, of matrices and magnitudes; as in transformers' Trainer, not of norms and biases (<see cref="Decays"/>).
    /// Default 0 (the published runs).
    /// </summary>
    public double WeightDecay { get; init; }

    /// <summary>Largest global L2 norm of the gradients, above 0; infinity turns clipping off. Default 1.0.</summary>
    public double MaximumGradientNorm { get; init; } = 1.0;

    /// <summary>Returns whether weight decay applies to a tensor: not if its name is that of a bias or of a norm's weight.</summary>
    /// <param name="name">The name of a trained tensor, for example <c>model.layers.0.input_layernorm.weight</c>.</param>
    public static bool Decays(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Split('.') switch
        {
            [.., "bias"] => false,
            [.., var module, "weight"] => !module.EndsWith("norm", StringComparison.Ordinal) && !module.StartsWith("ln_", StringComparison.Ordinal),
            _ => true,
        };
    }

    /// <summary>Refuses the first option that is out of range.</summary>
    /// <exception cref="NlftException">An option is out of range; the message names it, its value and its range.</exception>
    internal void Validate()
    {
        OptionCheck.Require(Beta1 is >= 0 and < 1, "Optimizer.Beta1", Beta1, "a number in [0, 1)", "Use 0.9.");
        OptionCheck.Require(Beta2 is >= 0 and < 1, "Optimizer.Beta2", Beta2, "a number in [0, 1)", "Use 0.999.");
        OptionCheck.Require(double.IsFinite(Epsilon) && Epsilon > 0, "Optimizer.Epsilon", Epsilon, "a finite number above 0", "Use 1e-8.");
        OptionCheck.Require(double.IsFinite(WeightDecay) && WeightDecay >= 0, "Optimizer.WeightDecay", WeightDecay, "a finite number, 0 or more",
            "Use 0 to turn weight decay off.");
        OptionCheck.Require(MaximumGradientNorm > 0, "Optimizer.MaximumGradientNorm", MaximumGradientNorm, "a number above 0",
            "Use 1.0, or double.PositiveInfinity to turn clipping off.");
    }
}
