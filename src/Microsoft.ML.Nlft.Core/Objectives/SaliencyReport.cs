using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Shows where the feedback acts in one response: every token with its probabilities, role, weight and coefficient.</summary>
public sealed class SaliencyReport
{
    /// <summary>Combines the input and the result of an objective.</summary>
    /// <param name="scores">The scores passed to <see cref="ITokenObjective.Evaluate"/>.</param>
    /// <param name="result">The result that it returned.</param>
    /// <param name="texts">The texts of the n tokens; default null shows their positions.</param>
    /// <exception cref="ArgumentException">The numbers of tokens differ.</exception>
    public SaliencyReport(ExampleScores scores, TokenObjectiveResult result, IReadOnlyList<string>? texts = null)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(result);
        var n = result.Tokens.Length;
        if (scores.Base.Length != n || (texts is not null && texts.Count != n))
        {
            throw new ArgumentException($"The result has {n} tokens, the scores {scores.Base.Length}, the texts {texts?.Count ?? n}.",
                nameof(result));
        }

        (Loss, SalientShare) = (result.Loss, result.Tokens.Count(token => token.Role == TokenRole.Salient) / (double)n);
        Tokens = [.. result.Tokens.Select((saliency, t) => new TokenReport(
            texts?[t] ?? t.ToString(CultureInfo.InvariantCulture), saliency, Math.Exp(scores.Base[t]), Probability(scores.Judge, t),
                Probability(scores.Standard, t)))];
    }

    /// <summary>Gets the loss of the response.</summary>
    public double Loss { get; }

    /// <summary>Gets the share of salient tokens, in [0, 1].</summary>
    public double SalientShare { get; }

    /// <summary>Gets the n tokens in order.</summary>
    public IReadOnlyList<TokenReport> Tokens { get; }

    /// <summary>Formats a plain-text table with one line per token; * marks salient tokens, + their neighbours.</summary>
    public override string ToString()
    {
        var table = new StringBuilder("       base    judge  standard  weight  coefficient  token\n");
        foreach (var token in Tokens)
        {
            var mark = token.Saliency.Role switch { TokenRole.Salient => '*', TokenRole.ClusterNeighbour => '+', _ => ' ' };
            table.Append(CultureInfo.InvariantCulture, $"{mark} {token.Base,9:F4}{token.Judge,9:F4}{token.Standard,10:F4}")
                .Append(CultureInfo.InvariantCulture, $"{token.Saliency.Weight,8:F3}{token.Saliency.Coefficient + 0.0,13:F5}")
                .Append(CultureInfo.InvariantCulture, $"  {Visible(token.Text)}\n");
        }
        return table.Append(CultureInfo.InvariantCulture, $"loss {Loss:F4}, salient {SalientShare:P1} of {Tokens.Count} tokens\n").ToString();
    }

    private static double? Probability(double[] logProbabilities, int t) => logProbabilities.Length == 0 ? null : Math.Exp(logProbabilities[t]);

    private static string Visible(string text) => text.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t");
}

/// <summary>One token of a <see cref="SaliencyReport"/>.</summary>
/// <param name="Text">The token's text.</param>
/// <param name="Saliency">The token's role, weight w_t and coefficient c_t.</param>
/// <param name="Base">b_t: the token's probability in the base context.</param>
/// <param name="Judge">j_t: its probability in the judge context; null if not scored.</param>
/// <param name="Standard">s_t: its probability in the standard context; null if not scored.</param>
public sealed record TokenReport(string Text, TokenSaliency Saliency, double Base, double? Judge, double? Standard)
{
    /// <summary>
    /// Gets j_t / b_t: above 1 where the judgment makes the token likelier. Null if j was not scored; infinite if only b is 0; NaN if both are 0.
    /// </summary>
    public double? RatioToBase => Judge / Base;

    /// <summary>Gets j_t / s_t: above 1 where the judgment explains the token better than the answer does. Null if either was not scored.</summary>
    public double? RatioToStandard => Judge / Standard;
}
