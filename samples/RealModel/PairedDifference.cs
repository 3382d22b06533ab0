using Microsoft.ML.Nlft.Evaluation;
using static System.FormattableString;

namespace RealModel;

/// <summary>How much more often one model is right than another on the same questions, in shares of 1, with its 95 % interval.</summary>
/// <param name="Difference">Accuracy of the one less accuracy of the other.</param>
/// <param name="Lower">The lower bound.</param>
/// <param name="Upper">The upper bound.</param>
internal readonly record struct PairedDifference(double Difference, double Lower, double Upper)
{
    private const double Z = 1.959963984540054; // the 97.5 % quantile of the normal distribution

    /// <summary>
    /// Compares two models question by question. With b questions that only the one answers right, c that only the other does, and n in all, the
    /// interval is d ± z sqrt((b + c) - (b - c)²/n)/n with d = (b - c)/n, after adding 1/2 to both b and c and 2 to n (Agresti and Min, Statistics
    /// in Medicine 24, 2005): the plain interval is too narrow where few answers differ.
    /// </summary>
    public static PairedDifference Of(EvaluationResult one, EvaluationResult other)
    {
        var pairs = one.Rows.Zip(other.Rows, (a, b) => (a.Outcome == AnswerOutcome.Correct, b.Outcome == AnswerOutcome.Correct)).ToList();
        double n = pairs.Count, b = pairs.Count(pair => pair is (true, false)), c = pairs.Count(pair => pair is (false, true));
        var (m, difference, discordant) = (n + 2, b - c, b + c + 1);
        var half = Z * Math.Sqrt(discordant - difference * difference / m) / m;
        return new(difference / n, Math.Max(-1, difference / m - half), Math.Min(1, difference / m + half));
    }

    /// <summary>Formats points of a hundred: <c>+12.0 points [4.1 to 19.3]</c>.</summary>
    public override string ToString() => Invariant($"{100 * Difference:+0.0;-0.0} points [{100 * Lower:+0.0;-0.0} to {100 * Upper:+0.0;-0.0}]");
}
