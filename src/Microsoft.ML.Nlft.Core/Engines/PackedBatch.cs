using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Lays sequences of different lengths end to end: row i of every activation belongs to token i, and nothing is padded. For engines; the batch owns
/// the arrays, so do not modify them.
/// </summary>
public sealed class PackedBatch
{
    private PackedBatch(int[] tokens, int[] starts, int[] positions, ulong[] dropoutSeeds) =>
        (Tokens, Starts, Positions, DropoutSeeds) = (tokens, starts, positions, dropoutSeeds);

    /// <summary>All N token ids.</summary>
    public int[] Tokens { get; }

    /// <summary>First row of every sequence, followed by N: one value more than there are sequences.</summary>
    public int[] Starts { get; }

    /// <summary>Position of every row within its sequence; N values, consecutive in a sequence.</summary>
    public int[] Positions { get; }

    /// <summary>The dropout seed of every sequence; zeros by default.</summary>
    public ulong[] DropoutSeeds { get; }

    /// <summary>N, the number of rows.</summary>
    public int Rows => Positions.Length;

    /// <summary>Number of sequences.</summary>
    public int Count => Starts.Length - 1;

    /// <summary>Returns the number of rows of a sequence.</summary>
    /// <param name="sequence">Its index, from 0.</param>
    public int Length(int sequence) => Starts[sequence + 1] - Starts[sequence];

    /// <summary>Packs whole sequences.</summary>
    /// <param name="sequences">The token ids of each sequence: prompt, then response.</param>
    /// <param name="configuration">The model, for its vocabulary and its number of positions.</param>
    /// <param name="dropoutSeeds">One seed per sequence; null: zeros.</param>
    /// <exception cref="NlftException">A sequence is empty or longer than the model allows, or a token id lies outside the vocabulary.</exception>
    public static PackedBatch Create(IReadOnlyList<ReadOnlyMemory<int>> sequences, ModelConfiguration configuration,
        IReadOnlyList<ulong>? dropoutSeeds = null)
    {
        var starts = new int[sequences.Count + 1];
        for (var i = 0; i < sequences.Count; i++)
        {
            var length = sequences[i].Length;
            if (length == 0 || length > configuration.MaximumPositions)
            {
                throw new NlftException($"sequence {i} of the batch", $"{length} tokens",
                    $"1 to {configuration.MaximumPositions} (max_position_embeddings)", "Shorten the prompt or lower the limit of tokens.");
            }
            TokenCheck.RequireInVocabulary(sequences[i].Span, $"sequence {i} of the batch", configuration);
            starts[i + 1] = starts[i] + length;
        }
        var tokens = new int[starts[^1]];
        var positions = new int[tokens.Length];
        for (var i = 0; i < sequences.Count; i++)
        {
            sequences[i].Span.CopyTo(tokens.AsSpan(starts[i]));
            for (var row = starts[i]; row < starts[i + 1]; row++) positions[row] = row - starts[i];
        }
        return new PackedBatch(tokens, starts, positions, dropoutSeeds?.ToArray() ?? new ulong[sequences.Count]);
    }

    /// <summary>Packs the end of each sequence of a batch, its rows from position <paramref name="firsts"/>[s] on.</summary>
    internal static PackedBatch CreateEnds(PackedBatch whole, ReadOnlySpan<int> firsts)
    {
        var starts = new int[whole.Count + 1];
        for (var s = 0; s < whole.Count; s++) starts[s + 1] = starts[s] + whole.Length(s) - firsts[s];
        var (tokens, positions) = (new int[starts[^1]], new int[starts[^1]]);
        for (var s = 0; s < whole.Count; s++)
        {
            var rows = new Range(whole.Starts[s] + firsts[s], whole.Starts[s + 1]);
            whole.Tokens.AsSpan(rows).CopyTo(tokens.AsSpan(starts[s]));
            whole.Positions.AsSpan(rows).CopyTo(positions.AsSpan(starts[s]));
        }
        return new PackedBatch(tokens, starts, positions, whole.DropoutSeeds);
    }

    /// <summary>
    /// Packs rows [first, first + rows) of a batch, a part of each of its sequences, none of some; without tokens, which only the embedding reads.
    /// </summary>
    internal static PackedBatch CreatePart(PackedBatch batch, int first, int rows) => new([],
        Array.ConvertAll(batch.Starts, start => Math.Clamp(start - first, 0, rows)), batch.Positions.AsSpan(first, rows).ToArray(),
        batch.DropoutSeeds);

    /// <summary>Packs the next token of each of several sequences.</summary>
    /// <param name="tokens">Their ids.</param>
    /// <param name="positions">Their positions, from 0.</param>
    /// <param name="configuration">The model, for its vocabulary.</param>
    /// <exception cref="NlftException">A token id lies outside the vocabulary.</exception>
    public static PackedBatch Step(int[] tokens, int[] positions, ModelConfiguration configuration)
    {
        TokenCheck.RequireInVocabulary(tokens, "next tokens", configuration);
        return new PackedBatch(tokens, [.. Enumerable.Range(0, tokens.Length + 1)], positions, new ulong[tokens.Length]);
    }
}
