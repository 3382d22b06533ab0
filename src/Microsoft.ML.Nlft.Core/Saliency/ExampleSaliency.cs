using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>How an objective sees one response of n tokens.</summary>
public sealed record ExampleSaliency
{
    /// <summary>Where the row came from.</summary>
    public required string Source { get; init; }

    /// <summary>Whether the response is right.</summary>
    public required Polarity Polarity { get; init; }

    /// <summary>The n response token ids.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>log b_t, natural logarithm, n values.</summary>
    public required double[] Base { get; init; }

    /// <summary>log j_t, n values; empty when the objective does not read the judge context for this row.</summary>
    public required double[] Judge { get; init; }

    /// <summary>log s_t, n values; empty when the objective does not read the standard context for this row.</summary>
    public required double[] Standard { get; init; }

    /// <summary>Role, weight w_t and coefficient c_t of every token, n entries.</summary>
    public required TokenSaliency[] Saliency { get; init; }

    /// <summary>The objective's loss of this response.</summary>
    public required double Loss { get; init; }

    /// <summary>How far clusters would reach at other thresholds, where the analyzer was asked to keep that.</summary>
    [JsonInclude]
    internal ClusterReach? Reach { get; init; }

    /// <summary>The same as a table of probabilities.</summary>
    /// <param name="texts">The text of each token; null: their positions.</param>
    public SaliencyReport Report(IReadOnlyList<string>? texts = null) => new(
        new ExampleScores { Polarity = Polarity, Base = Base, Judge = Judge, Standard = Standard },
        new TokenObjectiveResult { Loss = Loss, Coefficients = Array.ConvertAll(Saliency, token => token.Coefficient), Tokens = Saliency }, texts);
}
