using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>
/// How far llama.cpp may be from the managed engine, which computes in float32 whatever the type of the weights: llama.cpp rounds what it multiplies
/// a matrix with to the type that goes with the matrix (F32, F16, BF16; blocks of Q8_0 for Q8_0 and Q4_0).
/// </summary>
/// <remarks>
/// A rounding of relative size u changes the output of one matrix by a relative u / sqrt(3) in standard deviation at most, the roundings being
/// independent; those of m matrices add up as sqrt(m). So logits move by no more than 2 u sqrt(m) times the largest of them (3.5 standard
/// deviations), and a log-probability, a logit less the logarithm of a sum, by twice that. 1e-5 stands for the float32 arithmetic of both: sums in
/// another order, and the angles of the rotary embedding, which llama.cpp multiplies up in float32. A block of Q8_0 rounds by up to 1/254 of its
/// largest value, which is at most sqrt(32) times its root mean square: u = sqrt(32) / 254.
/// </remarks>
internal static class RoundingBound
{
    public static double Of(GgufType type, ModelConfiguration model, double largestLogit)
    {
        var matrices = 7 * model.LayerCount + 1;
        return 2 * (1e-5 + 2 * Unit(type) * Math.Sqrt(matrices)) * largestLogit;
    }

    private static double Unit(GgufType type) => type switch
    {
        GgufType.F16 => Math.ScaleB(1, -11),
        GgufType.BF16 => Math.ScaleB(1, -8),
        GgufType.Q8_0 or GgufType.Q4_0 => Math.Sqrt(32) / 254,
        _ => Math.ScaleB(1, -24),
    };
}
