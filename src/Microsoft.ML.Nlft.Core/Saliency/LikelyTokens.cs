using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>
/// Holds the likeliest tokens at each position of a response in one context, the response's own left out: what the model would have written
/// instead.
/// </summary>
/// <param name="PerPosition">K, the tokens at each position.</param>
/// <param name="Ids">n x K token ids, row-major, the likeliest first.</param>
/// <param name="Probabilities">Their n x K probabilities.</param>
internal sealed record LikelyTokens(int PerPosition, int[] Ids, float[] Probabilities)
{
    /// <summary>K where the vocabulary has as many.</summary>
    public const int MostPerPosition = 4;

    /// <summary>Rows of a map that has likely tokens, at most, because they fill the file.</summary>
    public const int MostRows = 100;

    /// <summary>Leaves the response's own tokens out of what an engine found.</summary>
    /// <param name="found">At least one token more at each position than is needed, where the vocabulary has as many.</param>
    /// <param name="response">The n tokens of the response.</param>
    public static LikelyTokens Of(LikeliestTokens found, ReadOnlySpan<int> response)
    {
        var others = found.Besides(response, MostPerPosition);
        return new LikelyTokens(others.Count, others.Ids, Array.ConvertAll(others.LogProbabilities, MathF.Exp));
    }
}
