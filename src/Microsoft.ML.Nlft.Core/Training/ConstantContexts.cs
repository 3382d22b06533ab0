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

    /// <summary>The kept scores, the rows of each context one after the other; nothing when none are kept.</summary>
    public IReadOnlyList<NamedTensor> Export() => _cache is not { } cache ? []
        : [Flat("judge", cache.Select(row => row.Judge)), Flat("standard", cache.Select(row => row.Standard))];

    /// <summary>Goes on with what <see cref="Export"/> gave.</summary>
    /// <exception cref="NlftException">The numbers are not those of these rows.</exception>
    public void Import(IReadOnlyList<NamedTensor> kept, long tokensScored)
    {
        TokensScored = tokensScored;
        if (kept.Count == 0) return;
        NamedTensors.RequireExactly(kept, new[] { PromptContexts.Judge, PromptContexts.Standard }.ToDictionary(ExampleCheck.Name,
            context => new[] { examples.Where(example => Needed(example).Contains(context)).Sum(example => example.Response.Length) }));
        var (judge, standard) = (Values("judge"), Values("standard"));
        _cache = [.. examples.Select(example => new RowScores(Take(example, PromptContexts.Judge, ref judge), Take(example, PromptContexts.Standard, ref standard)))];

        ReadOnlyMemory<float> Values(string name) => kept.First(tensor => tensor.Name == name).Values;

        TokenScores? Take(EncodedExample example, PromptContexts context, ref ReadOnlyMemory<float> rest)
        {
            if (!Needed(example).Contains(context)) return null;
            var scores = new TokenScores(rest[..example.Response.Length].ToArray(), new bool[example.Response.Length], default);
            rest = rest[example.Response.Length..];
            return scores;
        }
    }

    private static NamedTensor Flat(string name, IEnumerable<TokenScores?> scores)
    {
        float[] values = [.. scores.SelectMany(row => row?.LogProbabilities ?? [])];
        return new NamedTensor(name, [values.Length], values);
    }

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
