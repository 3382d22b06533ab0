using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Objectives;

/// <summary>The options of <see cref="SelfDistillationObjective"/>.</summary>
public sealed record SelfDistillationOptions
{
    /// <summary>
    /// What the student is drawn to. 0: KL(q || p), all that the teacher finds likely; 1: KL(p || q), only what it finds likely; between: the
    /// generalised Jensen-Shannon divergence with the mixture (1 - alpha) p + alpha q. In [0, 1]. Default 1.
    /// </summary>
    public double Alpha { get; init; } = 1;

    /// <summary>K, the teacher's likeliest tokens at each position beside the response's own, 1 or more. Default 20.</summary>
    public int TopTokens { get; init; } = 20;

    /// <summary>
    /// Whether the rest of the vocabulary counts as one further token. False: the probabilities of the listed tokens are divided by their sum in
    /// both. Default true.
    /// </summary>
    public bool Tail { get; init; } = true;

    /// <summary>
    /// The context of the teacher of a wrong response: <see cref="PromptContexts.Standard"/>, which has the answer, or
    /// <see cref="PromptContexts.Judge"/>. That of a right response is always the standard context. Default Standard.
    /// </summary>
    public PromptContexts Teacher { get; init; } = PromptContexts.Standard;

    /// <summary>
    /// A wrong response teaches up to its first token that the teacher finds less likely than this, and no further: what follows a false step would
    /// be taught as if it were right. 0: to its end. In [0, 1). Default 0.1.
    /// </summary>
    public double StopBelow { get; init; } = 0.1;

    /// <summary>Refuses the first option that lies outside its range.</summary>
    internal void Validate()
    {
        ScoreChecks.Option(nameof(Alpha), Alpha, Alpha is >= 0 and <= 1, "in [0, 1]");
        ScoreChecks.Option(nameof(TopTokens), TopTokens, TopTokens >= 1, "1 or more");
        ScoreChecks.Option(nameof(StopBelow), StopBelow, StopBelow is >= 0 and < 1, "in [0, 1)");
        if (Teacher is not (PromptContexts.Standard or PromptContexts.Judge))
            throw new NlftException($"option {nameof(Teacher)}", $"{Teacher}", "Standard or Judge", "Choose one of them.");
    }
}
