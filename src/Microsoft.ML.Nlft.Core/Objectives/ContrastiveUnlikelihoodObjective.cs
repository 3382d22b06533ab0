using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Contrastive unlikelihood training (CUT; W. Xu et al., arXiv 2312.14591, section 4): a token of a wrong response that the judgment makes likelier
/// becomes unlikely where no judgment is given, and the whole response likely where it is. b and j are a token's probabilities in the base and judge
/// contexts.
/// </summary>
/// <remarks>
/// Correct: L = -(1/n) sum log b. Incorrect: L = 1/2 [-(1/n) sum log j - (1/n) sum q] with q = weight log(1 - b) where j / b exceeds the threshold
/// and log b elsewhere; the ratio is constant, and both contexts are trained. As in the authors' code, whose means are over the tokens of a batch.
/// </remarks>
public sealed class ContrastiveUnlikelihoodObjective : ITokenObjective
{
    private const double ZeroGuard = 1e-5;
    private readonly double _threshold, _weight;

    /// <summary>Creates the objective.</summary>
    /// <param name="threshold">What j / b of a token to make unlikely must exceed, 1 or more. Default 1.1, as in the authors' script.</param>
    /// <param name="weight">Weight of the unlikelihood, 0 or more. Default 1, as in the authors' script.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public ContrastiveUnlikelihoodObjective(double threshold = 1.1, double weight = 1)
    {
        ScoreChecks.Option(nameof(threshold), threshold, threshold >= 1, "1 or more");
        ScoreChecks.Option(nameof(weight), weight, weight >= 0, "0 or more");
        (_threshold, _weight) = (threshold, weight);
    }

    /// <inheritdoc/>
    public string Name => "CUT";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(new { Threshold = _threshold, Weight = _weight });

    /// <inheritdoc/>
    public PromptContexts ScoredContexts(Polarity polarity) =>
        polarity == Polarity.Correct ? PromptContexts.Base : PromptContexts.Base | PromptContexts.Judge;

    /// <inheritdoc/>
    public PromptContexts TrainedContexts(Polarity polarity) => ScoredContexts(polarity);

    /// <inheritdoc/>
    public bool NeedsHiddenStates(Polarity polarity) => false;

    /// <inheritdoc/>
    /// <exception cref="NlftException">Lengths differ, a log-probability is NaN or above 0, or there is none.</exception>
    public TokenObjectiveResult Evaluate(ExampleScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var n = scores.Base.Length;
        var logB = ScoreChecks.Context(PromptContexts.Base, scores.Base, n);
        if (scores.Polarity == Polarity.Correct) return WeightedLikelihood.Of(logB, (_, _) => 1, ZeroGuard);
        var logJ = ScoreChecks.Context(PromptContexts.Judge, scores.Judge, n);
        var (loss, factor, logThreshold) = (0.0, 0.5 / n, Math.Log(_threshold));
        var tokens = new TokenSaliency[n];
        for (var t = 0; t < n; t++)
        {
            var unlikely = logJ[t] > logB[t] + logThreshold; // so that b < 1 there
            var term = unlikely ? TokenTerms.Unlikelihood(_weight, logB[t]) : (Loss: -TokenTerms.Guarded(logB[t], ZeroGuard), Coefficient: 1);
            loss += term.Loss - TokenTerms.Guarded(logJ[t], ZeroGuard);
            tokens[t] = new TokenSaliency(unlikely ? TokenRole.Salient : TokenRole.Ordinary, unlikely ? _weight : 1, factor * term.Coefficient);
        }
        return new TokenObjectiveResult
        {
            Loss = factor * loss,
            Coefficients = Array.ConvertAll(tokens, token => token.Coefficient),
            JudgeCoefficients = Array.ConvertAll(logJ, _ => factor),
            Tokens = tokens,
        };
    }
}
