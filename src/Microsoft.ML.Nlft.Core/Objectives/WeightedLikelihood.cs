namespace Microsoft.ML.Nlft.Objectives;

/// <summary>The likelihood of a response with a constant weight for every token: L = -(1/n) sum w log b, c_t = w_t / n.</summary>
internal static class WeightedLikelihood
{
    /// <summary>Computes loss and coefficients. A token of probability 0 and weight 0 adds nothing.</summary>
    /// <param name="logB">n log-probabilities.</param>
    /// <param name="weight">Gives the weight of token t with log-probability log b_t, 0 or more.</param>
    /// <param name="zeroGuard">Stands in for a probability of exactly 0 in the loss.</param>
    public static TokenObjectiveResult Of(double[] logB, Func<int, double, double> weight, double zeroGuard = 1e-5)
    {
        var (n, loss) = (logB.Length, 0.0);
        var tokens = new TokenSaliency[n];
        for (var t = 0; t < n; t++)
        {
            var w = weight(t, logB[t]);
            if (w != 0) loss -= w * TokenTerms.Guarded(logB[t], zeroGuard);
            tokens[t] = new TokenSaliency(TokenRole.Ordinary, w, w / n);
        }
        return new TokenObjectiveResult { Loss = loss / n, Coefficients = Array.ConvertAll(tokens, token => token.Coefficient), Tokens = tokens };
    }
}
