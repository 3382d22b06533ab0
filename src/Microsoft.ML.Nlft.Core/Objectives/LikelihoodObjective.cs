using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Supervised fine-tuning (SFT) on the responses as they are: L = -(1/n) sum log b_t, c_t = 1/n, for either polarity. It uses neither the judgment
/// nor the answer, and is the baseline for <see cref="NaturalLanguageObjective"/>.
/// </summary>
public sealed class LikelihoodObjective : ITokenObjective
{
    /// <summary>Creates the objective.</summary>
    /// <param name="zeroGuard">Stands in for a probability of exactly 0 in the loss, in (0, 1); the coefficient stays 1/n. Default 1e-5.</param>
    /// <exception cref="NlftException"><paramref name="zeroGuard"/> lies outside its range.</exception>
    public LikelihoodObjective(double zeroGuard = 1e-5)
    {
        if (zeroGuard is not (> 0 and < 1))
        {
            throw new NlftException("option zeroGuard", FormattableString.Invariant($"{zeroGuard}"), "a number in (0, 1)",
                "Set it within the range; the default is 1E-05.");
        }
        _zeroGuard = zeroGuard;
    }

    private readonly double _zeroGuard;

    /// <inheritdoc/>
    public string Name => "SFT";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(new { ZeroGuard = _zeroGuard });

    /// <inheritdoc/>
    public PromptContexts ScoredContexts(Polarity polarity) => PromptContexts.Base;

    /// <inheritdoc/>
    public PromptContexts TrainedContexts(Polarity polarity) => PromptContexts.Base;

    /// <inheritdoc/>
    public bool NeedsHiddenStates(Polarity polarity) => false;

    /// <inheritdoc/>
    /// <exception cref="NlftException">A log-probability is NaN or above 0, or there is none.</exception>
    public TokenObjectiveResult Evaluate(ExampleScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var logB = ScoreChecks.Context(PromptContexts.Base, scores.Base, scores.Base.Length);
        return WeightedLikelihood.Of(logB, (_, _) => 1, _zeroGuard);
    }
}
