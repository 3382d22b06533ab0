namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>The two losses of proximal policy optimization (J. Schulman et al., arXiv 1707.06347) at one token, each with its derivative.</summary>
internal static class ClippedLoss
{
    /// <summary>
    /// Policy: max(-A rho, -A clip(rho, 1 - e, 1 + e)) with rho = exp(log pi - log pi_old). As a coefficient -dL/d log pi: A rho, and 0 where the
    /// clip binds.
    /// </summary>
    public static (double Loss, double Coefficient) Policy(double logP, double old, double advantage, double clip)
    {
        var ratio = Math.Exp(logP - old);
        var (free, clipped) = (-advantage * ratio, -advantage * Math.Clamp(ratio, 1 - clip, 1 + clip));
        return free >= clipped ? (free, advantage * ratio) : (clipped, 0);
    }

    /// <summary>Value: 1/2 max((v - R)^2, (clip(v, v_old - e, v_old + e) - R)^2) and its derivative by v, 0 where the clip binds.</summary>
    public static (double Loss, double Slope) Value(double value, double old, double target, double clip)
    {
        var clipped = Math.Clamp(value, old - clip, old + clip);
        var (free, bound) = ((value - target) * (value - target), (clipped - target) * (clipped - target));
        return free >= bound ? (free / 2, value - target) : (bound / 2, clipped == value ? value - target : 0);
    }
}
