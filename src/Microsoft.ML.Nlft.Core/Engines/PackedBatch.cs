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

    /// <summary>Position of every row within its sequence, from 0; N values.</summary>
    public int[] Positions { get; }

    /// <summary>The dropout seed of every sequence; zeros by default.</summary>
    public ulong[] DropoutSeeds { get; }

    /// <summary>N, the number of rows.</summary>
    public int Rows => Tokens.Length;

    /// <summary>Number of sequences.</summary>
    public int Count => Starts.Length - 1;

    /// <summary>Returns the number of tokens of a sequence.</summary>
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

    /// <summary>Finds the R rows that predict a response token.</summary>
    /// <param name="sequences">The sequences that were packed.</param>
    /// <returns>The rows, the token that each predicts, and the first of these rows per sequence, followed by R.</returns>
    public (int[] Rows, int[] Targets, int[] Firsts) Responses(IReadOnlyList<TokenSequence> sequences)
    {
        var firsts = new int[sequences.Count + 1];
        for (var s = 0; s < sequences.Count; s++) firsts[s + 1] = firsts[s] + sequences[s].ResponseLength;
        var (rows, targets) = (new int[firsts[^1]], new int[firsts[^1]]);
        for (var s = 0; s < sequences.Count; s++)
        {
            for (var t = 0; t < sequences[s].ResponseLength; t++)
            {
                var row = Starts[s] + sequences[s].PromptLength + t;
                (rows[firsts[s] + t], targets[firsts[s] + t]) = (row - 1, Tokens[row]);
            }
        }
        return (rows, targets, firsts);
    }

    /// <summary>Concatenates the coefficients of a backward pass.</summary>
    /// <param name="coefficients">One entry per sequence with a coefficient per response token; an empty entry counts as zeros.</param>
    /// <param name="firsts">The first response token of every sequence, followed by R, as <see cref="Responses"/> returns it.</param>
    /// <returns>R values.</returns>
    /// <exception cref="ArgumentException">The numbers of entries or coefficients do not fit.</exception>
    public static float[] Flatten(IReadOnlyList<ReadOnlyMemory<float>> coefficients, int[] firsts)
    {
        if (coefficients.Count != firsts.Length - 1)
            throw new ArgumentException($"{coefficients.Count} coefficient rows for {firsts.Length - 1} sequences.", nameof(coefficients));
        var flat = new float[firsts[^1]];
        for (var s = 0; s < coefficients.Count; s++)
        {
            var n = firsts[s + 1] - firsts[s];
            if (coefficients[s].Length == 0) continue;
            if (coefficients[s].Length != n)
            {
                throw new ArgumentException($"{coefficients[s].Length} coefficients for the {n} response tokens of sequence {s}.",
                    nameof(coefficients));
            }
            coefficients[s].Span.CopyTo(flat.AsSpan(firsts[s]));
        }
        return flat;
    }
}
