namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// The two terms that a token can add to a loss, each beside its derivative. With p = softmax(z)_y, d log p / dz = onehot(y) - softmax, so a
/// term f(log p) has the gradient c (softmax - onehot(y)) with the coefficient c = -f'(log p) (docs/method.md, section 3).
/// </summary>
internal static class TokenTerms
{
    /// <summary>-w log p, with p = 0 replaced by the guard. c = w; at p = 0 the guarded term is constant, so c = 0.</summary>
    public static (double Loss, double Coefficient) Likelihood(double weight, double logP, double zeroGuard) =>
        double.IsNegativeInfinity(logP) ? (-weight * Math.Log(zeroGuard), 0) : (-weight * logP, weight);

    /// <summary>-w log(1 - p). c = -w p / (1 - p). p is below 1.</summary>
    public static (double Loss, double Coefficient) Unlikelihood(double weight, double logP)
    {
        var p = Math.Exp(logP);
        return (-weight * Log1P(-p), -weight * p / (1 - p));
    }

    /// <summary>log p for a plain likelihood's value, with p = 0 replaced by the guard.</summary>
    /// <remarks>Its coefficient stays 1 at p = 0: the limit of the log-softmax, whose gradient does not vanish there.</remarks>
    public static double Guarded(double logP, double zeroGuard) => double.IsNegativeInfinity(logP) ? Math.Log(zeroGuard) : logP;

    /// <summary>1 / (1 + e^-x).</summary>
    public static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    /// <summary>log(1 + x) without losing the digits of a small x: the rounding of 1 + x cancels in the quotient.</summary>
    private static double Log1P(double x)
    {
        var u = 1 + x;
        return u == 1 ? x : Math.Log(u) * x / (u - 1);
    }
}
