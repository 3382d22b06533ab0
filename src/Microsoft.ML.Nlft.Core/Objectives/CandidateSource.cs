using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>Says which further tokens an objective reads beside those of a response: the likeliest ones in one of its contexts.</summary>
/// <param name="Context">
/// The context that names them. In the base context they are for reading; in another one, which must be scored and not trained, their
/// log-probabilities in the base context can get coefficients.
/// </param>
/// <param name="Count">K, tokens at each position besides the response's own, 0 or more; all others where the vocabulary has fewer.</param>
public readonly record struct CandidateSource(PromptContexts Context, int Count);

/// <summary>The candidates of a response of n tokens, K at each position, the likeliest of their source first.</summary>
public sealed record CandidateScores
{
    /// <summary>K, candidates of every position.</summary>
    public required int Count { get; init; }

    /// <summary>Their token ids, n x K, without the response's own tokens.</summary>
    public required int[] Ids { get; init; }

    /// <summary>Their natural log-probabilities in the context that named them, n x K.</summary>
    public required double[] Source { get; init; }

    /// <summary>Their natural log-probabilities in the base context, n x K.</summary>
    public required double[] Base { get; init; }
}
