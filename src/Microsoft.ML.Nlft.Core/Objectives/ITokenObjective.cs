using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>
/// Turns the token scores of one response into a loss and one coefficient per token. Plain arithmetic on small arrays in double
/// precision: no tensors, no engine, no batch (docs/method.md, section 3).
/// </summary>
public interface ITokenObjective
{
    /// <summary>A short name for logs and reports, for example "NLFT".</summary>
    string Name { get; }

    /// <summary>
    /// Every option that changes a result, by name, in the order in which a model card shows them; empty without options. A run resumes only from a
    /// checkpoint with the same values. <see cref="ObjectiveSettings.Of"/> derives them from an options object.
    /// </summary>
    IReadOnlyList<KeyValuePair<string, string>> Settings { get; }

    /// <summary>
    /// The thresholds that a saliency map of this objective shows and lets its reader change. Default: null, the objective has no map. Only an
    /// objective that selects salient tokens as <see cref="NaturalLanguageObjective"/> does can have one, because the page recomputes them by the
    /// same rules.
    /// </summary>
    NaturalLanguageObjectiveOptions? Thresholds => null;

    /// <summary>Returns the contexts whose scores <see cref="Evaluate"/> reads for a response of this polarity.</summary>
    PromptContexts ScoredContexts(Polarity polarity);

    /// <summary>Returns the contexts that receive a gradient: a subset of <see cref="ScoredContexts"/>.</summary>
    PromptContexts TrainedContexts(Polarity polarity);

    /// <summary>Whether <see cref="Evaluate"/> reads the base context's hidden states.</summary>
    bool NeedsHiddenStates(Polarity polarity);

    /// <summary>Further tokens at every position that <see cref="Evaluate"/> reads and can give coefficients. Default: none.</summary>
    CandidateSource Candidates(Polarity polarity) => default;

    /// <summary>
    /// When the contexts that are scored and not trained are scored again, unless <c>FineTuneOptions.Refresh</c> says so. Default: every
    /// step, as published for <see cref="NaturalLanguageObjective"/>.
    /// </summary>
    ContextRefresh Refresh => ContextRefresh.EveryStep;

    /// <summary>Computes the loss of one response and its coefficients.</summary>
    TokenObjectiveResult Evaluate(ExampleScores scores);
}

/// <summary>Holds the scores of one response of n tokens in the contexts that an objective requires.</summary>
public sealed record ExampleScores
{
    /// <summary>Whether the response is right.</summary>
    public required Polarity Polarity { get; init; }

    /// <summary>log b_t, n values.</summary>
    public required double[] Base { get; init; }

    /// <summary>log j_t, n values; empty when not scored.</summary>
    public double[] Judge { get; init; } = [];

    /// <summary>log s_t, n values; empty when not scored.</summary>
    public double[] Standard { get; init; } = [];

    /// <summary>The candidates that the objective asks for; null without.</summary>
    public CandidateScores? Candidates { get; init; }

    /// <summary>
    /// h_t of the base context, n x H row-major; empty when not required. In training they are valid only during
    /// <see cref="ITokenObjective.Evaluate"/>.
    /// </summary>
    public ReadOnlyMemory<float> HiddenStates { get; init; }
}

/// <summary>Holds the loss of one response, its gradient as coefficients, and the saliency of every token.</summary>
public sealed record TokenObjectiveResult
{
    /// <summary>L of docs/method.md, section 2, including the scale; finite.</summary>
    public required double Loss { get; init; }

    /// <summary>c_t of the response tokens in the base context, n values: without candidates, the gradient is c_t (softmax - onehot).</summary>
    public required double[] Coefficients { get; init; }

    /// <summary>c_t for the judge context's tokens, n values; empty unless the objective trains that context.</summary>
    public double[] JudgeCoefficients { get; init; } = [];

    /// <summary>
    /// c_tk of the candidates in the base context, n x K; empty: zeros, which they must be if the base context itself named the candidates. The
    /// gradient with respect to the logits is (c_t + sum_k c_tk) softmax - c_t onehot(y_t) - sum_k c_tk onehot(k).
    /// </summary>
    public double[] CandidateCoefficients { get; init; } = [];

    /// <summary>Role and weight of every token, n entries.</summary>
    public required TokenSaliency[] Tokens { get; init; }
}

/// <summary>The role of a token in an objective.</summary>
public enum TokenRole
{
    /// <summary>Neither salient nor near a salient token.</summary>
    Ordinary,

    /// <summary>Added by clustering around a salient token.</summary>
    ClusterNeighbour,

    /// <summary>The feedback lands on this token.</summary>
    Salient,
}

/// <summary>The saliency of one token: its role, its weight w_t and its coefficient c_t in the base context.</summary>
public readonly record struct TokenSaliency(TokenRole Role, double Weight, double Coefficient);
