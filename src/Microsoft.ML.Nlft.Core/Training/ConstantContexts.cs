using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Scores the contexts that enter the loss as constants: the judge and standard contexts that the objective reads but does not train. They are
/// scored without gradient and without dropout, either for every micro-batch or once for all rows (docs/method.md 4.2, 4.8).
/// </summary>
internal sealed class ConstantContexts(ICausalLanguageModel model, ITokenObjective objective, IReadOnlyList<EncodedExample> examples,
    TrainingTeam team)
{
    private RowScores[]? _cache;

    /// <summary>The scores of one row: null where a context is not needed or is trained.</summary>
    internal readonly record struct RowScores(TokenScores? Judge, TokenScores? Standard)
    {
        public TokenScores? Of(PromptContexts context) => context == PromptContexts.Judge ? Judge : Standard;
    }

    /// <summary>Tokens of all sequences scored so far, on all processes.</summary>
    public long TokensScored { get; set; }

    /// <summary>Returns the tokens to score for a row at every visit; 0 while its scores are cached.</summary>
    public long TokensToScore(int row) => _cache is null
        ? Needed(examples[row]).Sum(context => (long)examples[row].Sequence(context).Tokens.Length) : 0;

    /// <summary>Returns the cached scores, the rows of each context concatenated; empty when nothing is cached.</summary>
    public IReadOnlyList<NamedTensor> Export() => _cache is not { } cache ? [] : [.. s_contexts.Select(context =>
    {
        float[] values = [.. cache.SelectMany(row => Numbers(row.Of(context)))];
        return new NamedTensor(ExampleCheck.Name(context), [values.Length], values);
    })];

    /// <summary>Restores what <see cref="Export"/> returned.</summary>
    /// <exception cref="NlftException">The scores do not match these rows.</exception>
    public void Import(IReadOnlyList<NamedTensor> kept, long tokensScored)
    {
        TokensScored = tokensScored;
        if (kept.Count == 0) return;
        NamedTensors.RequireExactly(kept, s_contexts.ToDictionary(ExampleCheck.Name, context => new[] { examples.Sum(row => Count(row, context)) }));
        var (judge, standard) = (Values("judge"), Values("standard"));
        _cache = [.. examples.Select(example => new RowScores(
            Take(example, PromptContexts.Judge, ref judge), Take(example, PromptContexts.Standard, ref standard)))];

        ReadOnlyMemory<float> Values(string name) => kept.First(tensor => tensor.Name == name).Values;
    }

    private static readonly PromptContexts[] s_contexts = [PromptContexts.Judge, PromptContexts.Standard];

    /// <summary>Scores as numbers: log-probabilities, then the likeliest tokens' ids, which float32 holds exactly below 2^24, and theirs.</summary>
    private static float[] Numbers(TokenScores? scores) => scores is null ? []
        : [.. scores.LogProbabilities, .. scores.Likeliest?.Ids.Select(id => (float)id) ?? [], .. scores.Likeliest?.LogProbabilities ?? []];

    /// <summary>How many <see cref="Numbers"/> there are of a context; 0 if the row does not need it.</summary>
    private int Count(EncodedExample example, PromptContexts context) =>
        !Needed(example).Contains(context) ? 0 : example.Response.Length * (1 + 2 * Likeliest(example, context));

    /// <summary>The likeliest tokens that a context finds at every position; 0: none.</summary>
    private int Likeliest(EncodedExample example, PromptContexts context) => !CandidateScoring.Names(objective, example.Polarity, context) ? 0
        : Math.Min(objective.Candidates(example.Polarity).Count + 1, model.Configuration.VocabularySize);

    /// <summary>Turns the next <see cref="Numbers"/> into scores again.</summary>
    private TokenScores? Take(EncodedExample example, PromptContexts context, ref ReadOnlyMemory<float> rest)
    {
        if (!Needed(example).Contains(context)) return null;
        var (n, likeliest) = (example.Response.Length, Likeliest(example, context));
        var numbers = rest.Span[..Count(example, context)];
        rest = rest[numbers.Length..];
        foreach (var id in numbers.Slice(n, n * likeliest))
        {
            if (id >= 0 && id < model.Configuration.VocabularySize) continue;
            throw new NlftException($"kept {ExampleCheck.Name(context)} context of {example.Source}, likely token", ObjectiveInput.Show(id),
                $"0 to {model.Configuration.VocabularySize - 1}", "Use another checkpoint, or start anew without ResumeFrom.");
        }
        return new TokenScores(numbers[..n].ToArray(), new bool[n], default)
        {
            Likeliest = likeliest == 0 ? null : new LikeliestTokens(likeliest,
                Array.ConvertAll(numbers.Slice(n, n * likeliest).ToArray(), id => (int)id), numbers[(n + n * likeliest)..].ToArray()),
        };
    }

    /// <summary>Scores every row once and caches the result for <see cref="Score"/>; each process scores its share.</summary>
    /// <param name="batchSize">Rows per pass.</param>
    /// <param name="cancellationToken">Observed between passes and inside the engine.</param>
    /// <param name="teacher">The weights to score with, in place of the current ones, which return afterwards; null: the current ones.</param>
    public void ScoreAll(int batchSize, CancellationToken cancellationToken, IReadOnlyList<NamedTensor>? teacher = null)
    {
        if (teacher is null)
        {
            ScoreAll(batchSize, cancellationToken);
            return;
        }
        var current = model.Export(ModelState.Weights);
        model.Import(ModelState.Weights, teacher);
        try
        {
            ScoreAll(batchSize, cancellationToken);
        }
        finally
        {
            model.Import(ModelState.Weights, current);
        }
    }

    private void ScoreAll(int batchSize, CancellationToken cancellationToken)
    {
        _cache = null;
        var shares = WindowShares.Distribute([.. Enumerable.Range(0, examples.Count)], TokensToScore, team.Size);
        var before = TokensScored;
        var mine = team.RunOnAll(token => shares[team.Rank].Chunk(batchSize).SelectMany(rows => ScoreNow(rows, token)).ToList(), cancellationToken);
        TokensScored = before + Enumerable.Range(0, examples.Count).Sum(TokensToScore);
        if (team.Size == 1)
        {
            _cache = [.. mine];
            return;
        }
        var all = team.Exchange([.. mine.SelectMany(row => (float[])[.. Numbers(row.Judge), .. Numbers(row.Standard)])]);
        var cache = new RowScores[examples.Count];
        for (var process = 0; process < team.Size; process++)
        {
            ReadOnlyMemory<float> rest = all[process];
            foreach (var row in shares[process])
            {
                cache[row] = new RowScores(
                    Take(examples[row], PromptContexts.Judge, ref rest), Take(examples[row], PromptContexts.Standard, ref rest));
            }
        }
        _cache = cache;
    }

    /// <summary>Returns the scores of some rows: cached if available, else newly computed.</summary>
    public IReadOnlyList<RowScores> Score(int[] rows, CancellationToken cancellationToken) =>
        _cache is { } cache ? Array.ConvertAll(rows, row => cache[row]) : ScoreNow(rows, cancellationToken);

    /// <summary>Sends all contexts of all rows to the engine in one call, so that it can batch them.</summary>
    private RowScores[] ScoreNow(int[] rows, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var sequences = new List<TokenSequence>();
        foreach (var row in rows)
        {
            foreach (var context in Needed(examples[row])) sequences.Add(CandidateScoring.Sequence(objective, examples[row], context));
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
