namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Computes the two terms that a token can add to a loss, each with its derivative. With p = softmax(z)_y, d log p / dz = onehot(y) - softmax, so
/// a term f(log p) has the gradient c (softmax - onehot(y)) with the coefficient c = -f'(log p) (docs/method.md, section 3).
/// </summary>
internal static class TokenTerms
{
    /// <summary>Computes -w log p, with p = 0 replaced by the guard. c = w; at p = 0 the guarded term is constant, so c = 0.</summary>
    public static (double Loss, double Coefficient) Likelihood(double weight, double logP, double zeroGuard) =>
        double.IsNegativeInfinity(logP) ? (-weight * Math.Log(zeroGuard), 0) : (-weight * logP, weight);

    /// <summary>Computes -w log(1 - p) for p below 1. c = -w p / (1 - p).</summary>
    public static (double Loss, double Coefficient) Unlikelihood(double weight, double logP)
    {
        var p = Math.Exp(logP);
        return (-weight * Log1P(-p), -weight * p / (1 - p));
    }

    /// <summary>Computes log p for the value of a plain likelihood, with p = 0 replaced by the guard.</summary>
    /// <remarks>The coefficient stays 1 at p = 0: it is the limit for the log-softmax, whose gradient does not vanish there.</remarks>
    public static double Guarded(double logP, double zeroGuard) => double.IsNegativeInfinity(logP) ? Math.Log(zeroGuard) : logP;

    /// <summary>Computes 1 / (1 + e^-x).</summary>
    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>Computes log(1 + x) accurately for small x: the rounding error of 1 + x cancels in the quotient.</summary>
    private static double Log1P(double x)
    {
        var u = 1 + x;
        return u == 1 ? x : Math.Log(u) * x / (u - 1);
    }
}
