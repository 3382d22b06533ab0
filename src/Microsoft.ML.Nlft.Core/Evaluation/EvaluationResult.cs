using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>The outcome of comparing one response with its gold answer.</summary>
public enum AnswerOutcome
{
    /// <summary>The final answer equals the gold answer.</summary>
    Correct,

    /// <summary>The final answer differs from the gold answer.</summary>
    Wrong,

    /// <summary>The response has no final answer.</summary>
    Unanswered,
}

/// <summary>One row of an evaluation.</summary>
/// <param name="Expected">The gold answer as compared.</param>
/// <param name="Found">The response's final answer as compared; null if there is none.</param>
/// <param name="Outcome">The outcome.</param>
public sealed record EvaluatedRow(string Expected, string? Found, AnswerOutcome Outcome);

/// <summary>Holds the exact-match accuracy of a set of responses with its confidence interval.</summary>
public sealed class EvaluationResult
{
    internal EvaluationResult(IReadOnlyList<EvaluatedRow> rows)
    {
        Rows = rows;
        Correct = rows.Count(row => row.Outcome == AnswerOutcome.Correct);
        Unanswered = rows.Count(row => row.Outcome == AnswerOutcome.Unanswered);
        (LowerBound, UpperBound) = WilsonInterval(Correct, Total);
    }

    /// <summary>Gets the rows in order.</summary>
    public IReadOnlyList<EvaluatedRow> Rows { get; }

    /// <summary>Gets the number of rows, 1 or more.</summary>
    public int Total => Rows.Count;

    /// <summary>Gets the number of rows whose final answer equals the gold answer.</summary>
    public int Correct { get; }

    /// <summary>Gets the number of rows without a final answer; they count as not correct.</summary>
    public int Unanswered { get; }

    /// <summary>Gets <see cref="Correct"/> / <see cref="Total"/>, in [0, 1].</summary>
    public double Accuracy => (double)Correct / Total;

    /// <summary>Gets the lower bound of the 95 % Wilson interval of the accuracy, in [0, 1].</summary>
    public double LowerBound { get; }

    /// <summary>Gets the upper bound of the 95 % Wilson interval of the accuracy, in [0, 1].</summary>
    public double UpperBound { get; }

    /// <summary>
    /// Computes the 95 % score interval of a proportion p = correct/n (E. B. Wilson, 1927), with z = 1.96:
    /// (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n). Unlike p ± z sqrt(p(1-p)/n) it stays reliable near 0 and 1 and for small n.
    /// </summary>
    /// <param name="correct">Successes, from 0 to <paramref name="total"/>.</param>
    /// <param name="total">Trials, 1 or more.</param>
    /// <returns>The bounds, in [0, 1].</returns>
    /// <exception cref="ArgumentOutOfRangeException">A count is out of range.</exception>
    public static (double Lower, double Upper) WilsonInterval(int correct, int total)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(total, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(correct);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(correct, total);
        const double z = 1.959963984540054; // the 97.5 % quantile of the normal distribution
        double n = total, p = correct / n;
        var centre = p + z * z / (2 * n);
        var half = z * Math.Sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        var width = 1 + z * z / n;
        return (Math.Max(0, (centre - half) / width), Math.Min(1, (centre + half) / width));
    }

    /// <summary>Formats the counts as a plain-text table.</summary>
    public override string ToString()
    {
        string Percent(double share) => (100 * share).ToString("F2", CultureInfo.InvariantCulture) + " %";
        return new StringBuilder()
            .Append(CultureInfo.InvariantCulture,
                $"accuracy      {Percent(Accuracy),9}  (95 % interval {Percent(LowerBound)} to {Percent(UpperBound)})\n")
            .Append(CultureInfo.InvariantCulture, $"correct       {Correct,7}\n")
            .Append(CultureInfo.InvariantCulture, $"wrong         {Total - Correct - Unanswered,7}\n")
            .Append(CultureInfo.InvariantCulture, $"unanswered    {Unanswered,7}\n")
            .Append(CultureInfo.InvariantCulture, $"total         {Total,7}\n")
            .ToString();
    }
}
