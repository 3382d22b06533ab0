using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>Sequences of different lengths laid end to end: row i of every activation belongs to token i. Nothing is padded.</summary>
internal sealed class PackedBatch
{
    private PackedBatch(int[] tokens, int[] starts, int[] positions, ulong[] dropoutSeeds) =>
        (Tokens, Starts, Positions, DropoutSeeds) = (tokens, starts, positions, dropoutSeeds);

    /// <summary>All token ids, N of them.</summary>
    public int[] Tokens { get; }

    /// <summary>First row of every sequence, and N at the end.</summary>
    public int[] Starts { get; }

    /// <summary>Position of every row within its sequence.</summary>
    public int[] Positions { get; }

    /// <summary>The dropout seed of every sequence.</summary>
    public ulong[] DropoutSeeds { get; }

    public int Rows => Tokens.Length;
    public int Count => Starts.Length - 1;
    public int Length(int sequence) => Starts[sequence + 1] - Starts[sequence];

    /// <summary>Packs whole sequences.</summary>
    public static PackedBatch Create(IReadOnlyList<ReadOnlyMemory<int>> sequences, ModelConfiguration configuration, IReadOnlyList<ulong>? dropoutSeeds = null)
    {
        var starts = new int[sequences.Count + 1];
        for (var i = 0; i < sequences.Count; i++)
        {
            var length = sequences[i].Length;
            if (length == 0 || length > configuration.MaximumPositions)
                throw new NlftException($"sequence {i} of the batch", $"{length} tokens", $"1 to {configuration.MaximumPositions} (max_position_embeddings)",
                    "Shorten the prompt or lower the limit of tokens.");
            TokenCheck.RefuseForeign(sequences[i].Span, $"sequence {i} of the batch", configuration);
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

    /// <summary>One further token for each of several sequences, at the given positions.</summary>
    public static PackedBatch Step(int[] tokens, int[] positions, ModelConfiguration configuration)
    {
        TokenCheck.RefuseForeign(tokens, "next tokens", configuration);
        return new PackedBatch(tokens, [.. Enumerable.Range(0, tokens.Length + 1)], positions, new ulong[tokens.Length]);
    }

    /// <summary>The rows that predict a response token, the tokens they predict, and where every sequence begins among them (and R at the end).</summary>
    public (int[] Rows, int[] Targets, int[] Firsts) Responses(IReadOnlyList<TokenSequence> sequences)
    {
        var firsts = new int[sequences.Count + 1];
        for (var s = 0; s < sequences.Count; s++) firsts[s + 1] = firsts[s] + sequences[s].ResponseLength;
        var (rows, targets) = (new int[firsts[^1]], new int[firsts[^1]]);
        for (var s = 0; s < sequences.Count; s++)
            for (var t = 0; t < sequences[s].ResponseLength; t++)
            {
                var row = Starts[s] + sequences[s].PromptLength + t;
                (rows[firsts[s] + t], targets[firsts[s] + t]) = (row - 1, Tokens[row]);
            }
        return (rows, targets, firsts);
    }

    /// <summary>One coefficient per response token of all sequences, end to end, from one entry per sequence; an empty entry counts as zeros.</summary>
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
                throw new ArgumentException($"{coefficients[s].Length} coefficients for the {n} response tokens of sequence {s}.", nameof(coefficients));
            coefficients[s].Span.CopyTo(flat.AsSpan(firsts[s]));
        }
        return flat;
    }
}
