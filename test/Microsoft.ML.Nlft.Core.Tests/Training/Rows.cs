using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Hand-made rows for <see cref="TableLanguageModel"/>: the first token of a prompt is its context (0 base, 1 judge, 2 standard).</summary>
internal static class Rows
{
    public const int Vocabulary = 8;

    public static EncodedExample Correct(int id, params int[] response) =>
        new(Polarity.Correct, response, [0, 3], [], [2, 3], $"rows.jsonl, line {id}");

    public static EncodedExample Incorrect(int id, params int[] response) =>
        new(Polarity.Incorrect, response, [0, 4], [1, 4, 5], [2, 4], $"rows.jsonl, line {id}");

    /// <summary>Seven rows of different lengths and both polarities.</summary>
    public static EncodedExample[] Seven() =>
    [
        Correct(1, 5, 6, 7), Incorrect(2, 4, 4, 3, 7), Correct(3, 6, 7), Incorrect(4, 7), Correct(5, 3, 5, 4, 6, 7), Incorrect(6, 6, 5, 7),
            Correct(7, 4, 7),
    ];
}

/// <summary>An objective whose parts a test sets one by one; the default is the mean negative log-likelihood.</summary>
internal sealed class ScriptedObjective : ITokenObjective
{
    public PromptContexts Scored { get; init; } = PromptContexts.Base;

    public PromptContexts Trained { get; init; } = PromptContexts.Base;

    public bool HiddenStates { get; init; }

    public Func<ExampleScores, TokenObjectiveResult> Script { get; init; } = MeanLikelihood;

    public List<ExampleScores> Seen { get; } = [];

    public string Name => "scripted";

    public IReadOnlyList<KeyValuePair<string, string>> Settings => [];

    /// <summary>Correct rows have no judge context.</summary>
    public PromptContexts ScoredContexts(Polarity polarity) => polarity == Polarity.Correct ? Scored & ~PromptContexts.Judge : Scored;

    public PromptContexts TrainedContexts(Polarity polarity) => polarity == Polarity.Correct ? Trained & ~PromptContexts.Judge : Trained;

    public bool NeedsHiddenStates(Polarity polarity) => HiddenStates && polarity == Polarity.Incorrect;

    public TokenObjectiveResult Evaluate(ExampleScores scores)
    {
        Seen.Add(scores);
        return Script(scores);
    }

    public static TokenObjectiveResult MeanLikelihood(ExampleScores scores) => Weighted(scores, _ => 1);

    /// <summary>L = -(1/n) sum w_t log b_t, the weights constant; the first token counts as salient.</summary>
    public static TokenObjectiveResult Weighted(ExampleScores scores, Func<int, double> weight)
    {
        var n = scores.Base.Length;
        var coefficients = Enumerable.Range(0, n).Select(t => weight(t) / n).ToArray();
        return new TokenObjectiveResult
        {
            Loss = -scores.Base.Zip(coefficients, (log, c) => log * c).Sum(),
            Coefficients = coefficients,
            Tokens = [.. coefficients.Select((c, t) => new TokenSaliency(t == 0 ? TokenRole.Salient : TokenRole.Ordinary, weight(t), c))],
        };
    }
}
