using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// ProFit (T. Liu et al., arXiv 2601.09195): supervised fine-tuning on the tokens that the model finds likely enough already. L = -(1/n) sum m log b
/// with m_t = 1 if b_t exceeds the threshold, else 0; c_t = m_t / n, for either polarity.
/// </summary>
public sealed class ProbabilityGuidedObjective : ITokenObjective
{
    private readonly double _threshold;

    /// <summary>Creates the objective.</summary>
    /// <param name="threshold">What the probability of a token must exceed to count, in [0, 1). Default 0.1, as in the authors' script.</param>
    /// <exception cref="NlftException"><paramref name="threshold"/> lies outside its range.</exception>
    public ProbabilityGuidedObjective(double threshold = 0.1)
    {
        ScoreChecks.Option(nameof(threshold), threshold, threshold is >= 0 and < 1, "in [0, 1)");
        _threshold = threshold;
    }

    /// <inheritdoc/>
    public string Name => "ProFit";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(new { Threshold = _threshold });

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
        return WeightedLikelihood.Of(logB, (_, logP) => Math.Exp(logP) > _threshold ? 1 : 0);
    }
}
