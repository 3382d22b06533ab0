using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Entropy-adaptive fine-tuning (EAFT; M. Diao et al., arXiv 2601.02151): supervised fine-tuning that spares tokens where the model is sure of
/// something else, which is where it forgets. L = -(1/n) sum w log b with the weight w_t = (H_t / ln K)^a constant, and H_t the entropy of the K
/// likeliest tokens at the position, renormalised; c_t = w_t / n, for either polarity.
/// </summary>
/// <remarks>The authors' code divides by 3, which is ln 20 up to 0.15 %.</remarks>
public sealed class EntropyAdaptiveObjective : ITokenObjective
{
    private readonly int _topTokens;
    private readonly double _exponent;

    /// <summary>Creates the objective.</summary>
    /// <param name="topTokens">K, 2 or more. Default 20, as published.</param>
    /// <param name="exponent">a, above 0. Default 1, as published.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public EntropyAdaptiveObjective(int topTokens = 20, double exponent = 1)
    {
        ScoreChecks.Option(nameof(topTokens), topTokens, topTokens >= 2, "2 or more");
        ScoreChecks.Option(nameof(exponent), exponent, exponent > 0, "above 0");
        (_topTokens, _exponent) = (topTokens, exponent);
    }

    /// <inheritdoc/>
    public string Name => "EAFT";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(new { TopTokens = _topTokens, Exponent = _exponent });

    /// <inheritdoc/>
    public PromptContexts ScoredContexts(Polarity polarity) => PromptContexts.Base;

    /// <inheritdoc/>
    public PromptContexts TrainedContexts(Polarity polarity) => PromptContexts.Base;

    /// <inheritdoc/>
    public bool NeedsHiddenStates(Polarity polarity) => false;

    /// <inheritdoc/>
    public CandidateSource Candidates(Polarity polarity) => new(PromptContexts.Base, _topTokens);

    /// <inheritdoc/>
    /// <exception cref="NlftException">A log-probability is NaN or above 0, or there is none, or the candidates are missing.</exception>
    public TokenObjectiveResult Evaluate(ExampleScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var logB = ScoreChecks.Context(PromptContexts.Base, scores.Base, scores.Base.Length);
        var candidates = ScoreChecks.Candidates(scores.Candidates, logB.Length);
        return WeightedLikelihood.Of(logB, (t, own) => Math.Pow(
            Entropy(own, candidates.Base.AsSpan(t * candidates.Count, candidates.Count)) / Math.Log(_topTokens), _exponent));
    }

    /// <summary>The entropy of the K likeliest among the response's own token and the others; their probabilities are divided by their sum.</summary>
    private double Entropy(double own, ReadOnlySpan<double> others)
    {
        double[] top = [.. others.ToArray().Append(own).OrderDescending().Take(_topTokens)];
        var (sum, mean) = (0.0, 0.0); // of e^z and z e^z with z = log p - log of the largest p
        foreach (var logP in top)
        {
            var p = Math.Exp(logP - top[0]);
            sum += p;
            if (p > 0) mean += p * (logP - top[0]);
        }
        return Math.Log(sum) - mean / sum;
    }
}
