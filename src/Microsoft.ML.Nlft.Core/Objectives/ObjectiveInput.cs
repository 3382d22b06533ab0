using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>From an engine's scores to what an objective reads, and the checks between the two.</summary>
internal static class ObjectiveInput
{
    /// <summary>Widens log-probabilities; NaN is refused, minus infinity (a probability of exactly 0) is not.</summary>
    /// <param name="scores">Scores of one response, or null: not scored.</param>
    /// <param name="place">Row and context, for the message.</param>
    /// <param name="remedy">What to do about NaN.</param>
    public static double[] LogProbabilities(TokenScores? scores, string place, string remedy)
    {
        if (scores is null) return [];
        var values = Array.ConvertAll(scores.LogProbabilities, value => (double)value);
        var bad = Array.FindIndex(values, double.IsNaN);
        if (bad >= 0) throw new NlftException(place, $"log-probability NaN at response token {bad + 1}", "numbers", remedy) { NotFinite = true };
        return values;
    }

    /// <summary>
    /// Evaluates the objective and refuses a result that no optimizer could use. The objective sees the tokens that count alone
    /// (<see cref="EncodedExample.Counted"/>); the others get the weight and the coefficient 0.
    /// </summary>
    public static TokenObjectiveResult Evaluate(
        ITokenObjective objective, EncodedExample example, ExampleScores scores, string place, string remedy)
    {
        TokenObjectiveResult result;
        try
        {
            result = example.Counted.IsEmpty ? objective.Evaluate(scores)
                : CountedTokens.Spread(objective.Evaluate(CountedTokens.Of(scores, example.Counted.Span)), example.Counted.Span);
        }
        catch (NlftException e) // the objective does not know the row
        {
            throw new NlftException($"{place}, {e.Subject}", e.Found, e.Expected, e.Remedy, e);
        }

        var n = example.Response.Length;
        var others = objective.Candidates(scores.Polarity).Context == PromptContexts.Base ? 0 : n * scores.Candidates?.Count ?? 0;
        if (result.Coefficients.Length != n || (result.JudgeCoefficients.Length is var judged && judged != 0 && judged != n)
            || (result.CandidateCoefficients.Length is var given && given != 0 && given != others) || result.Tokens.Length != n)
        {
            throw new InvalidOperationException($"The {objective.Name} objective gave {result.Coefficients.Length} base coefficients, " +
                $"{result.JudgeCoefficients.Length} judge coefficients, {result.CandidateCoefficients.Length} candidate coefficients and " +
                $"{result.Tokens.Length} tokens for the {n} tokens and {others} candidates of {place}.");
        }
        if (!double.IsFinite(result.Loss))
            throw new NlftException($"{place}, {objective.Name} loss", Show(result.Loss), "a finite number", remedy) { NotFinite = true };
        foreach (var coefficient in result.Coefficients.Concat(result.JudgeCoefficients).Concat(result.CandidateCoefficients))
        {
            if (!float.IsFinite((float)coefficient))
                throw new NlftException($"{place}, {objective.Name} coefficient", Show(coefficient), "a finite number", remedy) { NotFinite = true };
        }

        return result;
    }

    /// <summary>A number for a message.</summary>
    public static string Show(double value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
