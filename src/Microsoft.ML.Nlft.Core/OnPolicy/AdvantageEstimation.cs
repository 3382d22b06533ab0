namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>What a response earned at each token (T. Luong et al., arXiv 2401.08967, section 3; J. Schulman et al., arXiv 1506.02438).</summary>
internal static class AdvantageEstimation
{
    /// <summary>
    /// The rewards of n tokens: r_t = -beta (log pi_old - log pi_ref), a penalty for leaving the reference, and the score at the last token besides.
    /// </summary>
    public static double[] Rewards(double[] old, double[] reference, double score, double beta)
    {
        var rewards = new double[old.Length];
        for (var t = 0; t < rewards.Length; t++) rewards[t] = -beta * (old[t] - reference[t]);
        rewards[^1] += score;
        return rewards;
    }

    /// <summary>
    /// Generalised advantages: d_t = r_t + gamma V_(t+1) - V_t and A_t = d_t + gamma lambda A_(t+1), with V = A = 0 behind the last token. The
    /// returns are A + V.
    /// </summary>
    public static double[] Gae(double[] rewards, double[] values, double gamma, double lambda)
    {
        var advantages = new double[rewards.Length];
        var (nextValue, nextAdvantage) = (0.0, 0.0);
        for (var t = rewards.Length - 1; t >= 0; t--)
        {
            advantages[t] = rewards[t] + gamma * nextValue - values[t] + gamma * lambda * nextAdvantage;
            (nextValue, nextAdvantage) = (values[t], advantages[t]);
        }
        return advantages;
    }

    /// <summary>Brings the values of several responses to mean 0 and variance 1, the variance with n - 1; a single value becomes 0.</summary>
    public static double[][] Whiten(double[][] values)
    {
        var count = values.Sum(row => row.Length);
        var mean = values.Sum(row => row.Sum()) / count;
        var variance = count < 2 ? 0 : values.Sum(row => row.Sum(value => (value - mean) * (value - mean))) / (count - 1);
        var scale = 1 / Math.Sqrt(variance + 1e-8);
        return Array.ConvertAll(values, row => Array.ConvertAll(row, value => (value - mean) * scale));
    }
}
