using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// The contexts that enter the loss as constants: the judge and standard contexts that the objective reads but does not train. They are
/// scored without gradient and with dropout off, either afresh for every micro-batch or once for all rows at a time (docs/method.md 4.2, 4.8).
/// </summary>
internal sealed class ConstantContexts(ICausalLanguageModel model, ITokenObjective objective, IReadOnlyList<EncodedExample> examples)
{
    private RowScores[]? _cache;

    /// <summary>The scores of one row: null where a context is not needed or is trained.</summary>
    internal readonly record struct RowScores(TokenScores? Judge, TokenScores? Standard);

    /// <summary>Tokens of all sequences scored so far.</summary>
    public long TokensScored { get; private set; }

    /// <summary>Scores every row with the present weights and keeps the result for <see cref="Score"/>.</summary>
    public void ScoreAll(int batchSize, CancellationToken cancellationToken) =>
        _cache = [.. Enumerable.Range(0, examples.Count).Chunk(batchSize).SelectMany(rows => ScoreNow(rows, cancellationToken))];

    /// <summary>The scores of some rows: the kept ones if there are any, else new ones.</summary>
    public IReadOnlyList<RowScores> Score(int[] rows, CancellationToken cancellationToken) =>
        _cache is { } cache ? Array.ConvertAll(rows, row => cache[row]) : ScoreNow(rows, cancellationToken);

    /// <summary>All contexts of all rows go to the engine in one call, so that it can batch them.</summary>
    private RowScores[] ScoreNow(int[] rows, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var sequences = new List<TokenSequence>();
        foreach (var row in rows)
        {
            foreach (var context in Needed(examples[row])) sequences.Add(examples[row].Sequence(context));
        }

        var scored = sequences.Count == 0 ? [] : model.Score(sequences, hiddenStates: false, cancellationToken);
        TokensScored += sequences.Sum(s => (long)s.Tokens.Length);
        var next = 0;
        return Array.ConvertAll(rows, row =>
        {
            TokenScores? judge = null, standard = null;
            foreach (var context in Needed(examples[row]))
            {
                if (context == PromptContexts.Judge) judge = scored[next++];
                else standard = scored[next++];
            }

            return new RowScores(judge, standard);
        });
    }

    private IEnumerable<PromptContexts> Needed(EncodedExample example)
    {
        var constant = objective.ScoredContexts(example.Polarity) & ~objective.TrainedContexts(example.Polarity);
        if (constant.HasFlag(PromptContexts.Judge)) yield return PromptContexts.Judge;
        if (constant.HasFlag(PromptContexts.Standard)) yield return PromptContexts.Standard;
    }
}
