using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>
/// How far llama.cpp may be from the managed engine, which computes in float32 whatever the type of the weights: llama.cpp rounds what it multiplies
/// a matrix with to the type that goes with the matrix (F32, F16, BF16; blocks of eight bits, as long as those of a quantised type).
/// </summary>
/// <remarks>
/// Rounding by a relative u changes the outputs of one matrix by a relative u / sqrt(3) in root mean square at most, the roundings being independent;
/// those of m matrices add up as sqrt(m). So logits move by u sqrt(m / 3) times their root mean square, and log-probabilities, each the difference of
/// a logit and a mean of logits, by sqrt(2) times that. 1e-5 stands for the float32 arithmetic of both: sums in another order, and the angles of the
/// rotary embedding, which llama.cpp multiplies up in float32. A block of eight bits rounds by up to 1/254 of its largest value. Among 32 values that
/// is within about three times their root mean square, u = 3 / 254; among 256 products of gate and up within about seven times, u = 7 / 254.
/// </remarks>
internal static class RoundingBound
{
    /// <summary>Returns the bound on the root mean square of the distances between log-probabilities.</summary>
    /// <param name="type">The type of the matrices.</param>
    /// <param name="model">The model.</param>
    /// <param name="logits">The root mean square of the logits.</param>
    public static double Of(GgufType type, ModelConfiguration model, double logits)
    {
        var matrices = 7 * model.LayerCount + 1;
        return Math.Sqrt(2) * (1e-5 + Unit(type) * Math.Sqrt(matrices / 3.0)) * logits;
    }

    /// <summary>
    /// The type that llama.cpp rounds to for float32 weights: it looks GELU up in a table of float16. From the exact one, that by tanh differs by
    /// less than the unit of float16 as well.
    /// </summary>
    public static GgufType TypeOf(ModelConfiguration model) => model.Activation == Activation.Silu ? GgufType.F32 : GgufType.F16;

    private static double Unit(GgufType type) => type switch
    {
        GgufType.F16 => Math.ScaleB(1, -11),
        GgufType.BF16 => Math.ScaleB(1, -8),
        _ when type.IsQuantised() => (type.Block().Values == 32 ? 3 : 7) / 254.0,
        _ => Math.ScaleB(1, -24),
    };
}
