using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// The R rows of a packed batch that predict a response token, and the tokens whose log-probabilities are asked for at each of them: first the
/// response token y_t, then its candidates. For engines; do not modify the arrays.
/// </summary>
public sealed class AskedTokens
{
    private readonly int[] _starts, _likeliest; // of every sequence: the packed row that predicts its first response token, and how many to find

    private AskedTokens(int[] starts, int[] rowFirsts, int[] tokens, int[] firsts, int[] likeliest)
    {
        (_starts, RowFirsts, Tokens, Firsts, _likeliest) = (starts, rowFirsts, tokens, firsts, likeliest);
        for (var row = 0; row < Rows; row++) Widest = Math.Max(Widest, firsts[row + 1] - firsts[row]);
        Likeliest = likeliest.Length == 0 ? 0 : likeliest.Max();
    }

    /// <summary>Returns the places of the R rows in the packed batch, each before that of its response token.</summary>
    public int[] PackedRows()
    {
        var rows = new int[Rows];
        for (var s = 0; s < _starts.Length; s++)
            for (var row = RowFirsts[s]; row < RowFirsts[s + 1]; row++) rows[row] = _starts[s] + row - RowFirsts[s];
        return rows;
    }

    /// <summary>The first of the R rows of every sequence, followed by R: one value more than there are sequences.</summary>
    public int[] RowFirsts { get; }

    /// <summary>The tokens that are asked for, those of every row in turn.</summary>
    public int[] Tokens { get; }

    /// <summary>The place in <see cref="Tokens"/> of every row's response token, which its candidates follow; then their number: R + 1.</summary>
    public int[] Firsts { get; }

    /// <summary>R, the number of rows.</summary>
    public int Rows => Firsts.Length - 1;

    /// <summary>Most tokens that a row asks for, 1 or more.</summary>
    public int Widest { get; }

    /// <summary>Number of likeliest tokens that a row needs at most; 0: none.</summary>
    public int Likeliest { get; }

    /// <summary>Collects what the sequences of a batch ask for.</summary>
    /// <param name="sequences">The sequences, packed in this order.</param>
    /// <param name="configuration">The model, for its vocabulary.</param>
    /// <exception cref="NlftException">A candidate lies outside the vocabulary.</exception>
    public static AskedTokens Of(IReadOnlyList<TokenSequence> sequences, ModelConfiguration configuration)
    {
        int[] rowFirsts = new int[sequences.Count + 1], starts = new int[sequences.Count];
        var (start, count) = (0, 0);
        for (var s = 0; s < sequences.Count; s++)
        {
            TokenCheck.RequireInVocabulary(sequences[s].Candidates.Span, $"candidates of sequence {s} of the batch", configuration);
            (starts[s], rowFirsts[s + 1]) = (start + sequences[s].PromptLength - 1, rowFirsts[s] + sequences[s].ResponseLength);
            (start, count) = (start + sequences[s].Tokens.Length, count + sequences[s].ResponseLength + sequences[s].Candidates.Length);
        }
        var (tokens, firsts, row, next) = (new int[count], new int[rowFirsts[^1] + 1], 0, 0);
        foreach (var sequence in sequences)
        {
            var response = sequence.Tokens.Span[sequence.PromptLength..];
            var perToken = sequence.CandidatesPerToken;
            for (var t = 0; t < response.Length; t++)
            {
                tokens[next++] = response[t];
                sequence.Candidates.Span.Slice(t * perToken, perToken).CopyTo(tokens.AsSpan(next));
                firsts[++row] = next += perToken;
            }
        }
        return new AskedTokens(starts, rowFirsts, tokens, firsts,
            [.. sequences.Select(sequence => Math.Min(sequence.Likeliest, configuration.VocabularySize))]);
    }

    /// <summary>Lays the coefficients of a backward pass out as <see cref="Tokens"/>.</summary>
    /// <param name="coefficients">One entry per sequence, as <see cref="IForwardPass.Backward"/> takes them.</param>
    /// <returns>A coefficient for each of <see cref="Tokens"/>.</returns>
    /// <exception cref="ArgumentException">The numbers of entries or coefficients do not fit.</exception>
    public float[] Flatten(IReadOnlyList<ReadOnlyMemory<float>> coefficients)
    {
        if (coefficients.Count != RowFirsts.Length - 1)
            throw new ArgumentException($"{coefficients.Count} coefficient rows for {RowFirsts.Length - 1} sequences.", nameof(coefficients));
        var flat = new float[Tokens.Length];
        for (var s = 0; s < coefficients.Count; s++)
        {
            var given = coefficients[s].Span;
            var (first, count, n) = (Firsts[RowFirsts[s]], Count(s), RowFirsts[s + 1] - RowFirsts[s]);
            if (given.Length != count && given.Length != n && given.Length != 0)
            {
                throw new ArgumentException($"{given.Length} coefficients for the {n} response tokens and {count - n} candidates of sequence {s}.",
                    nameof(coefficients));
            }
            if (given.Length == count)
            {
                given.CopyTo(flat.AsSpan(first));
                continue;
            }
            for (var t = 0; t < given.Length; t++) flat[Firsts[RowFirsts[s] + t]] = given[t];
        }
        return flat;
    }

    /// <summary>Divides the results of a pass among its sequences.</summary>
    /// <param name="logProbabilities">A log-probability for each of <see cref="Tokens"/>.</param>
    /// <param name="mostLikely">R flags: whether no token is likelier than y_t.</param>
    /// <param name="likeliest">The likeliest tokens of the R rows; null if <see cref="Likeliest"/> is 0.</param>
    /// <param name="hiddenStates">Returns the hidden states of a sequence; null: none were asked for.</param>
    public IReadOnlyList<TokenScores> Scores(float[] logProbabilities, bool[] mostLikely, LikeliestTokens? likeliest,
        Func<int, ReadOnlyMemory<float>>? hiddenStates) => [.. _likeliest.Select((count, s) =>
        {
            var (first, end) = (RowFirsts[s], RowFirsts[s + 1]);
            float[] own = new float[end - first], candidates = Count(s) == own.Length ? [] : new float[Count(s) - own.Length];
            var perToken = candidates.Length / own.Length;
            for (var t = 0; t < own.Length; t++)
            {
                own[t] = logProbabilities[Firsts[first + t]];
                logProbabilities.AsSpan(Firsts[first + t] + 1, perToken).CopyTo(candidates.AsSpan(t * perToken));
            }
            return new TokenScores(own, mostLikely[first..end], hiddenStates?.Invoke(s) ?? default)
            {
                CandidateLogProbabilities = candidates,
                Likeliest = count == 0 ? null : likeliest!.Rows(first, end - first, count),
            };
        })];

    /// <summary>How many of <see cref="Tokens"/> are of a sequence.</summary>
    private int Count(int sequence) => Firsts[RowFirsts[sequence + 1]] - Firsts[RowFirsts[sequence]];
}
