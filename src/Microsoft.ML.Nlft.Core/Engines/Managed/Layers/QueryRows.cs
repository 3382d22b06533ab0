using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The R rows of a batch whose output a layer computes: all N rows or, in the last layer, only those whose output is used, at the end of every
/// sequence. Keys and values are computed for all rows; queries, and everything after attention, for these.
/// </summary>
internal sealed class QueryRows
{
    private readonly PackedBatch _batch;

    private QueryRows(PackedBatch batch, int[] starts, int[] positions) => (_batch, Starts, Positions) = (batch, starts, positions);

    /// <summary>Returns all rows of a batch.</summary>
    public static QueryRows All(PackedBatch batch) => new(batch, batch.Starts, batch.Positions);

    /// <summary>
    /// Returns <paramref name="counts"/>[s] rows of each sequence s, the last of them <paramref name="before"/> rows before its end.
    /// </summary>
    public static QueryRows Ends(PackedBatch batch, ReadOnlySpan<int> counts, int before)
    {
        var starts = new int[batch.Count + 1];
        for (var sequence = 0; sequence < batch.Count; sequence++) starts[sequence + 1] = starts[sequence] + counts[sequence];
        var positions = new int[starts[^1]];
        for (var sequence = 0; sequence < batch.Count; sequence++)
        {
            var first = batch.Starts[sequence + 1] - before - counts[sequence];
            batch.Positions.AsSpan(first, counts[sequence]).CopyTo(positions.AsSpan(starts[sequence]));
        }
        return new QueryRows(batch, starts, positions);
    }

    /// <summary>Returns those of these rows that <paramref name="part"/> of the batch has, as rows of the part.</summary>
    public QueryRows Within(PackedBatch part)
    {
        var starts = new int[Count + 1];
        for (var sequence = 0; sequence < Count; sequence++) starts[sequence + 1] = starts[sequence] + Common(sequence).Length;
        var positions = new int[starts[^1]];
        for (var sequence = 0; sequence < Count; sequence++) Common(sequence).CopyTo(positions.AsSpan(starts[sequence]));
        return new QueryRows(part, starts, positions);

        ReadOnlySpan<int> Common(int sequence)
        {
            var own = Positions.AsSpan(Starts[sequence]..Starts[sequence + 1]);
            if (own.IsEmpty || part.Length(sequence) == 0) return [];
            int shift = part.Positions[part.Starts[sequence]] - own[0], first = Math.Clamp(shift, 0, own.Length);
            return own[first..Math.Clamp(shift + part.Length(sequence), first, own.Length)];
        }
    }

    /// <summary>The first row of every sequence among these rows, then R.</summary>
    public int[] Starts { get; }

    /// <summary>The first row of every sequence in the batch, then N.</summary>
    public int[] KeyStarts => _batch.Starts;

    /// <summary>The position of every row within its sequence.</summary>
    public int[] Positions { get; }

    /// <summary>Whether these are all rows of the batch.</summary>
    public bool IsAll => Rows == _batch.Rows;

    /// <summary>Number of sequences.</summary>
    public int Count => Starts.Length - 1;

    /// <summary>R.</summary>
    public int Rows => Starts[^1];

    /// <summary>The index in the batch of row <paramref name="row"/>.</summary>
    public int BatchRow(int row)
    {
        var start = KeyStarts[SequenceOf(row)];
        return start + Positions[row] - _batch.Positions[start];
    }

    /// <summary>Returns the same rows of a batch that holds the sequences from their beginnings.</summary>
    public QueryRows In(PackedBatch whole) => new(whole, Starts, Positions);

    /// <summary>The dropout seed of a row's sequence.</summary>
    public ulong DropoutSeed(int row) => _batch.DropoutSeeds[SequenceOf(row)];

    /// <summary>Adds values[R x H] to their rows of x[N x H].</summary>
    public void Add(Matrix values, Matrix x)
    {
        for (var row = 0; row < values.Rows; row++) VectorMath.Add(values[row], x[BatchRow(row)]);
    }

    private int SequenceOf(int row)
    {
        var sequence = 0;
        while (Starts[sequence + 1] <= row) sequence++;
        return sequence;
    }

    /// <summary>Number of tiles of at most <paramref name="size"/> rows, over all sequences.</summary>
    public int Tiles(int size)
    {
        var tiles = 0;
        for (var sequence = 0; sequence < Count; sequence++) tiles += TilesOf(sequence, size);
        return tiles;
    }

    /// <summary>Number of tiles of one sequence.</summary>
    public int TilesOf(int sequence, int size) => (Starts[sequence + 1] - Starts[sequence] + size - 1) / size;

    /// <summary>Tile <paramref name="index"/> among those of all sequences.</summary>
    public QueryTile TileAt(int size, int index)
    {
        var sequence = 0;
        for (; index >= TilesOf(sequence, size); sequence++) index -= TilesOf(sequence, size);
        return TileAt(sequence, size, index);
    }

    /// <summary>Tile <paramref name="index"/> of one sequence.</summary>
    public QueryTile TileAt(int sequence, int size, int index)
    {
        var first = index * size;
        var start = Starts[sequence] + first;
        return new QueryTile(start, Math.Min(size, Starts[sequence + 1] - start), Positions[start], KeyStarts[sequence]);
    }
}

/// <summary>Consecutive query rows of one sequence.</summary>
/// <param name="FirstRow">The first row.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="FirstPosition">The position of the first row in its sequence.</param>
/// <param name="KeyStart">The first row of the sequence in the batch.</param>
internal readonly record struct QueryTile(int FirstRow, int Rows, int FirstPosition, int KeyStart);
