using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// Judges worked solutions without a model: compares the final answer with the gold one and checks the arithmetic of the
/// <c>&lt;&lt;a*b=c&gt;&gt;</c> annotations. It detects wrong calculations and wrong results, not wrong reasoning.
/// </summary>
public sealed partial class RuleBasedJudge : IResponseJudge
{
    /// <inheritdoc/>
    public string Name => "rule-based judge";

    /// <summary>1: there is nothing to wait for.</summary>
    public int MaximumParallelism => 1;

    /// <inheritdoc/>
    public Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(row);
        cancellationToken.ThrowIfCancellationRequested();
        var judgment = Judge(row.Require(nameof(row.Response)), row.Require(nameof(row.Answer)), row.Source);
        return Task.FromResult(judgment is null ? Verdict.Correct : Verdict.Incorrect(judgment));
    }

    /// <summary>Says what is wrong with a response.</summary>
    /// <param name="response">The worked solution.</param>
    /// <param name="answer">The gold answer; its final number counts (<see cref="AnswerExtraction.FinalNumber"/>).</param>
    /// <param name="source">Names the row in messages.</param>
    /// <returns>
    /// Null when the final answer is right, whatever led to it. Otherwise the wrong or missing final answer in words, after the first wrong
    /// calculation if there is one.
    /// </returns>
    /// <exception cref="NlftException">The gold answer has no number.</exception>
    public static string? Judge(string response, string answer, string source = "row")
    {
        ArgumentNullException.ThrowIfNull(response);
        var compared = ExactMatchEvaluator.Compare(response, answer, AnswerComparison.Number, source);
        if (compared.Outcome == AnswerOutcome.Correct) return null;

        var verdict = compared.Outcome == AnswerOutcome.Unanswered
            ? $"The response does not state a final answer; the right answer is {compared.Expected}."
            : $"The final answer {compared.Found} is wrong: the right answer is {compared.Expected}.";
        return FirstWrongCalculation(response) is { } wrong ? $"{wrong} {verdict}" : verdict;
    }

    [GeneratedRegex("<<([^<>]*)>>")]
    private static partial Regex Annotation();

    private static string? FirstWrongCalculation(string response)
    {
        foreach (Match annotation in Annotation().Matches(response))
        {
            var sides = annotation.Groups[1].Value.Split('=', StringSplitOptions.TrimEntries);
            for (var i = 1; i < sides.Length; i++)
            {
                if (ArithmeticExpression.Evaluate(sides[i - 1]) is { } value && ArithmeticExpression.Evaluate(sides[i]) is { } stated
                    && !Agrees(value, stated, sides[i]))
                {
                    return string.Create(CultureInfo.InvariantCulture,
                        $"The calculation {sides[i - 1]} = {sides[i]} is wrong: {sides[i - 1]} is {value:0.####}, not {stated:0.####}.");
                }
            }
        }
        return null;
    }

    /// <summary>
    /// Whether a stated result is the value up to rounding error or, where the value is not whole, rounded or cut at the last stated decimal
    /// (20/3 = 6.6, 6.67 or 7). A whole value must be stated exactly.
    /// </summary>
    private static bool Agrees(double value, double stated, string statedText)
    {
        var tiny = 1e-9 * Math.Max(1, Math.Abs(value));
        var difference = Math.Abs(value - stated);
        if (difference <= tiny) return true;
        if (Math.Abs(value - Math.Round(value)) <= tiny) return false;
        var point = statedText.LastIndexOf('.');
        var decimals = point < 0 ? 0 : statedText[point..].Count(char.IsAsciiDigit);
        return difference < Math.Pow(10, -decimals);
    }
}
