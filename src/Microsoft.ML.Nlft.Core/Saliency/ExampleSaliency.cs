using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Common;
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

    /// <summary>The likeliest other tokens by context, where the analyzer was asked to read them; never stored in a checkpoint.</summary>
    internal IReadOnlyDictionary<PromptContexts, LikelyTokens>? Likely { get; init; }

    /// <summary>
    /// How an objective sees a response whose scores are there already, from an engine or a service of your own. A saliency map can show it when
    /// the objective has <see cref="ITokenObjective.Thresholds"/> and the scores have hidden states.
    /// </summary>
    /// <param name="objective">The objective.</param>
    /// <param name="scores">The scores of n tokens.</param>
    /// <param name="tokens">The n response token ids.</param>
    /// <param name="source">Where the row came from; may be empty.</param>
    /// <exception cref="NlftException">There are not n tokens, the scores do not fit the objective, or a number is not finite.</exception>
    public static ExampleSaliency Of(ITokenObjective objective, ExampleScores scores, int[] tokens, string source = "")
    {
        ArgumentNullException.ThrowIfNull(objective);
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(tokens);
        ArgumentNullException.ThrowIfNull(source);
        OptionCheck.Require(tokens.Length == scores.Base.Length, "tokens", $"{tokens.Length} tokens", $"{scores.Base.Length}, as many as scores",
            "Give the tokens that the scores are of.");
        return Of(scores, tokens, source, objective.Evaluate(scores), scores.HiddenStates.IsEmpty ? null : ThresholdsOf(objective));
    }

    /// <summary>The cluster thresholds that a reader of a map can choose; null: the objective has none.</summary>
    internal static IReadOnlyList<double>? ThresholdsOf(ITokenObjective objective) =>
        objective.Thresholds is { } thresholds ? ClusterReach.ThresholdsWith(thresholds.ClusterThreshold) : null;

    /// <summary>The same for a result that is there already, and thresholds at which clusters can be tried; null: none.</summary>
    internal static ExampleSaliency Of(ExampleScores scores, int[] tokens, string source, TokenObjectiveResult result,
        IReadOnlyList<double>? thresholds) => new()
    {
        Source = source,
        Polarity = scores.Polarity,
        Tokens = tokens,
        Base = scores.Base,
        Judge = scores.Judge,
        Standard = scores.Standard,
        Saliency = result.Tokens,
        Loss = result.Loss,
        Reach = thresholds is null ? null : ClusterReach.Of(thresholds, scores.HiddenStates, CanBeSalient(scores)),
    };

    /// <summary>
    /// Under some setting of the natural language objective: j above b in a wrong response (the ratio's threshold is 1 or more), any token in a
    /// right one.
    /// </summary>
    private static bool[] CanBeSalient(ExampleScores scores) =>
        [.. scores.Base.Select((logB, t) => scores.Polarity == Polarity.Correct || scores.Judge.Length == 0 || scores.Judge[t] > logB)];

    /// <summary>The same as a table of probabilities.</summary>
    /// <param name="texts">The text of each token; null: their positions.</param>
    public SaliencyReport Report(IReadOnlyList<string>? texts = null) => new(
        new ExampleScores { Polarity = Polarity, Base = Base, Judge = Judge, Standard = Standard },
        new TokenObjectiveResult { Loss = Loss, Coefficients = Array.ConvertAll(Saliency, token => token.Coefficient), Tokens = Saliency }, texts);
}
