using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Dynamic fine-tuning (DFT; Y. Wu et al., arXiv 2508.05629): supervised fine-tuning whose tokens count by their probability, so that unlikely ones
/// do not dominate. L = -(1/n) sum b log b with the factor b constant; c_t = b_t / n, for either polarity.
/// </summary>
public sealed class DynamicObjective : ITokenObjective
{
    /// <inheritdoc/>
    public string Name => "DFT";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => [];

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
        return WeightedLikelihood.Of(ScoreChecks.Context(PromptContexts.Base, scores.Base, scores.Base.Length), (_, logB) => Math.Exp(logB));
    }
}
