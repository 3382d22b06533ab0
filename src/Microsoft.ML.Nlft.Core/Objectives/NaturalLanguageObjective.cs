using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// The objective of Natural Language Fine-Tuning (J. Liu et al., arXiv 2412.20382): the probabilities of each response token, given the judgment of
/// a wrong response and given the standard answer, decide what the token teaches (docs/method.md, sections 2 to 4).
/// </summary>
/// <remarks>
/// Correct: L = scale [-(1/n) sum w log b - (1/n) sum log b]. Incorrect: L = scale [-(1/n) sum w log q] with q = 1 - b on salient tokens and b
/// elsewhere; with <see cref="SalientTarget.Teacher"/>, log q on salient tokens gives way to -KL(q || b) from the standard context. Only b carries
/// gradient; j, s, hidden states and weights are constants. Everything is computed per response from log-probabilities, independently of the batch;
/// b = 0, b = 1 and j = b = 0 give finite numbers.
/// </remarks>
public sealed class NaturalLanguageObjective : ITokenObjective
{
    /// <summary>
    /// The margin, in log-probability, by which a value must exceed a threshold, so that rounding never makes a value on the threshold salient.
    /// </summary>
    private const double Margin = 1e-9;

    private readonly double _logSalientLevel, _logRatioToBase, _logRatioToStandard, _logJudgeFloor;

    /// <summary>Creates the objective.</summary>
    /// <param name="options">The constants; null: the published ones.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public NaturalLanguageObjective(NaturalLanguageObjectiveOptions? options = null)
    {
        Options = options ?? new();
        Options.Validate();
        _logSalientLevel = Math.Log(Options.SalientLevel);
        _logRatioToBase = Math.Log(Options.SalientRatioToBase);
        _logRatioToStandard = Math.Log(Options.SalientRatioToStandard);
        _logJudgeFloor = Math.Log(Options.MinimumJudgeProbability);
    }

    /// <summary>The constants in use.</summary>
    public NaturalLanguageObjectiveOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "NLFT";

    /// <inheritdoc/>
    public IReadOnlyList<KeyValuePair<string, string>> Settings => ObjectiveSettings.Of(Options);

    /// <inheritdoc/>
    NaturalLanguageObjectiveOptions? ITokenObjective.Thresholds => Options.SalientTarget == SalientTarget.Unlikelihood ? Options : null;

    /// <inheritdoc/>
    public CandidateSource Candidates(Polarity polarity) => polarity == Polarity.Incorrect && Options.SalientTarget == SalientTarget.Teacher
        ? new(PromptContexts.Standard, Options.TeacherTokens) : default;

    /// <inheritdoc/>
    public ContextRefresh Refresh => Options.SalientTarget == SalientTarget.Teacher ? ContextRefresh.Once : ContextRefresh.EveryStep;

    /// <inheritdoc/>
    public PromptContexts ScoredContexts(Polarity polarity) => polarity == Polarity.Correct
        ? PromptContexts.Base | PromptContexts.Standard
        : PromptContexts.Base | PromptContexts.Judge | PromptContexts.Standard;

    /// <inheritdoc/>
    public PromptContexts TrainedContexts(Polarity polarity) => polarity == Polarity.Incorrect && Options.JudgeLikelihood
        ? PromptContexts.Base | PromptContexts.Judge
        : PromptContexts.Base;

    /// <inheritdoc/>
    public bool NeedsHiddenStates(Polarity polarity) => Options.ClusterRule != ClusterRule.None;

    /// <inheritdoc/>
    /// <exception cref="NlftException">Lengths differ, a log-probability is NaN or above 0, or hidden states are missing or not finite.</exception>
    public TokenObjectiveResult Evaluate(ExampleScores scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        var n = scores.Base.Length;
        var logB = ScoreChecks.Context(PromptContexts.Base, scores.Base, n);
        var logS = ScoreChecks.Context(PromptContexts.Standard, scores.Standard, n);
        if (NeedsHiddenStates(scores.Polarity)) ScoreChecks.HiddenStates(scores.HiddenStates.Length, n);
        return scores.Polarity == Polarity.Correct
            ? EvaluateCorrect(logB, logS, scores.HiddenStates.Span)
            : EvaluateIncorrect(logB, ScoreChecks.Context(PromptContexts.Judge, scores.Judge, n), logS, scores.HiddenStates.Span,
                Options.SalientTarget == SalientTarget.Teacher
                    ? new Distillation(alpha: 0, tail: true, ScoreChecks.Candidates(scores.Candidates, n)) : null);
    }

    /// <summary>L = scale [-(1/n) sum w log b - (1/n) sum log b];  c = (scale/n) (w + 1).</summary>
    private TokenObjectiveResult EvaluateCorrect(double[] logB, double[] logS, ReadOnlySpan<float> hidden)
    {
        var n = logB.Length;
        var salient = Array.ConvertAll(logS, s => s > _logSalientLevel + Margin);
        var roles = Roles(salient, hidden);

        var likelihood = Options.CorrectLikelihood ? 1.0 : 0.0;
        var (loss, factor, tokens) = (0.0, Options.Scale / n, new TokenSaliency[n]);
        for (var t = 0; t < n; t++)
        {
            var weight = CorrectWeight(roles[t], logS[t]);
            var term = TokenTerms.Likelihood(weight, logB[t], Options.ZeroGuard);
            loss += term.Loss - likelihood * TokenTerms.Guarded(logB[t], Options.ZeroGuard);
            tokens[t] = new TokenSaliency(roles[t], weight, factor * (term.Coefficient + likelihood));
        }
        return Result(factor * loss, tokens, [], []);
    }

    /// <summary>w of a token of a correct response: increases with s, from ordinary tokens through neighbours to salient ones.</summary>
    private double CorrectWeight(TokenRole role, double logS) => role switch
    {
        TokenRole.Salient => 1 + Math.Pow((Math.Exp(logS) - Options.SalientLevel) / (1 - Options.SalientLevel), Options.CorrectSalientExponent),
        TokenRole.ClusterNeighbour => Math.Exp(Options.CorrectNeighbourExponent * (logS - _logSalientLevel)),
        _ => Math.Exp(Options.CorrectOrdinaryExponent * (logS - _logSalientLevel)),
    };

    /// <summary>
    /// L = scale [-(1/n) sum w log q];  c = (scale/n) w, on salient tokens -(scale/n) w b/(1-b), or with a teacher those of its divergence.
    /// </summary>
    private TokenObjectiveResult EvaluateIncorrect(double[] logB, double[] logJ, double[] logS, ReadOnlySpan<float> hidden, Distillation? teacher)
    {
        var n = logB.Length;
        var salient = new bool[n];
        for (var t = 0; t < n; t++)
        {
            salient[t] = logJ[t] > logB[t] + _logRatioToBase + Margin
                && logJ[t] > logS[t] + _logRatioToStandard + Margin
                && logJ[t] > _logJudgeFloor + Margin;
        }
        var roles = Roles(salient, hidden);
        var salientAlone = salient.Count(flag => flag) / (double)n > Options.MaximumSalientShare;

        var (loss, factor, tokens) = (0.0, Options.Scale / n, new TokenSaliency[n]);
        for (var t = 0; t < n; t++)
        {
            var weight = IncorrectWeight(roles[t], logB[t], logJ[t], logS[t], salientAlone);
            var term = !salient[t] ? TokenTerms.Likelihood(weight, logB[t], Options.ZeroGuard)
                : teacher?.Add(t, logB[t], logS[t], weight, factor) ?? TokenTerms.Unlikelihood(weight, logB[t]);
            loss += term.Loss;
            tokens[t] = new TokenSaliency(roles[t], weight, factor * term.Coefficient);
        }
        var candidates = teacher?.CandidateCoefficients ?? [];
        if (!Options.JudgeLikelihood) return Result(factor * loss, tokens, [], candidates);

        // The likelihood in the judge context: adds -(scale/n) sum log j, with coefficient scale/n on each of its tokens.
        loss -= logJ.Sum(logP => TokenTerms.Guarded(logP, Options.ZeroGuard));
        return Result(factor * loss, tokens, Array.ConvertAll(logJ, _ => factor), candidates);
    }

    /// <summary>
    /// w of a token of an incorrect response: feedback on salient tokens, 0 on their neighbours, and elsewhere a weight that increases with s.
    /// </summary>
    private double IncorrectWeight(TokenRole role, double logB, double logJ, double logS, bool salientAlone) => role switch
    {
        TokenRole.Salient => 2 * TokenTerms.Sigmoid(Math.Exp(logJ - logB) - Options.SalientWeightCenter),
        TokenRole.ClusterNeighbour => 0,
        _ => salientAlone ? 0 : Math.Exp(Options.IncorrectOrdinaryExponent * logS),
    };

    private TokenRole[] Roles(bool[] salient, ReadOnlySpan<float> hidden)
    {
        var cluster = Clustering.Find(Options.ClusterRule, Options.ClusterThreshold, hidden, salient);
        var roles = new TokenRole[salient.Length];
        for (var t = 0; t < roles.Length; t++)
            roles[t] = salient[t] ? TokenRole.Salient : cluster[t] ? TokenRole.ClusterNeighbour : TokenRole.Ordinary;
        return roles;
    }

    private static TokenObjectiveResult Result(double loss, TokenSaliency[] tokens, double[] judgeCoefficients, double[] candidates) => new()
    {
        CandidateCoefficients = candidates,
        Loss = loss,
        Coefficients = Array.ConvertAll(tokens, token => token.Coefficient),
        JudgeCoefficients = judgeCoefficients,
        Tokens = tokens,
    };
}
