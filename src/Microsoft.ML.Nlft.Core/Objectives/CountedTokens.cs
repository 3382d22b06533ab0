namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Reduces the scores of a response to the tokens that count in the loss, and spreads the result over all of them again.</summary>
internal static class CountedTokens
{
    /// <summary>Returns the scores of the tokens that count.</summary>
    /// <param name="scores">The scores of n tokens.</param>
    /// <param name="counted">Whether each counts, n values.</param>
    public static ExampleScores Of(ExampleScores scores, ReadOnlySpan<bool> counted) => scores with
    {
        Base = Of(scores.Base, counted),
        Judge = Of(scores.Judge, counted),
        Standard = Of(scores.Standard, counted),
        HiddenStates = Of(scores.HiddenStates.ToArray(), counted),
        Candidates = scores.Candidates is not { } candidates ? null : candidates with
        {
            Ids = Of(candidates.Ids, counted), Source = Of(candidates.Source, counted), Base = Of(candidates.Base, counted),
        },
    };

    /// <summary>Returns a result of n tokens: those that do not count have the weight and the coefficient 0.</summary>
    /// <param name="result">The result of the tokens that count.</param>
    /// <param name="counted">Whether each of the n tokens counts.</param>
    public static TokenObjectiveResult Spread(TokenObjectiveResult result, ReadOnlySpan<bool> counted) => result with
    {
        Coefficients = Spread(result.Coefficients, counted),
        JudgeCoefficients = Spread(result.JudgeCoefficients, counted),
        CandidateCoefficients = Spread(result.CandidateCoefficients, counted),
        Tokens = Spread(result.Tokens, counted),
    };

    /// <summary>Keeps the values of the tokens that count, where every token has the same number of values; no values stay none.</summary>
    private static T[] Of<T>(T[] values, ReadOnlySpan<bool> counted)
    {
        var width = values.Length / counted.Length;
        var kept = new List<T>(values.Length);
        for (var t = 0; t < counted.Length; t++)
            if (counted[t]) kept.AddRange(values.AsSpan(t * width, width));
        return [.. kept];
    }

    /// <summary>Puts the values back in the places of the tokens that count; a number that does not fit stays for the caller to refuse.</summary>
    private static T[] Spread<T>(T[] values, ReadOnlySpan<bool> counted)
    {
        var count = counted.Count(true);
        if (values.Length == 0 || values.Length % count != 0) return values;
        var width = values.Length / count;
        var all = new T[counted.Length * width];
        for (int t = 0, next = 0; t < counted.Length; t++)
            if (counted[t]) values.AsSpan(width * next++, width).CopyTo(all.AsSpan(t * width));
        return all;
    }
}
