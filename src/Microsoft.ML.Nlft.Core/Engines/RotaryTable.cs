using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Computes the rotary position embedding of a model for its engine: cosine and sine of position * f_i, times the magnitude of
/// <see cref="RopeFrequencies"/>. All sequences share one table, which is extended when longer sequences arrive, except those whose frequencies
/// depend on their length; a sequence's own length alone decides, so that results do not depend on the rest of the batch.
/// </summary>
/// <param name="configuration">The model.</param>
/// <param name="rope">Its rotary settings, or those of its layers with a sliding window.</param>
public sealed class RotaryTable(ModelConfiguration configuration, RopeConfiguration rope)
{
    private const int FirstPositions = 512;

    private readonly int _half = configuration.Rope.RotatedSize(configuration.HeadSize) / 2;
    private RotaryRows _shared = new([], [], pairs: 0, byPosition: true);
    private int _positions;

    /// <summary>Returns cosines and sines for the rows of a batch.</summary>
    /// <param name="batch">Whole sequences, or the next token of each of several sequences.</param>
    /// <returns>The shared table, the same object until it is extended; or rows of this batch alone.</returns>
    public RotaryRows Of(PackedBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var (needed, isOwn) = (1, false);
        for (var sequence = 0; sequence < batch.Count; sequence++)
        {
            needed = Math.Max(needed, TokensOf(batch, sequence));
            isOwn |= RopeFrequencies.DependOnLength(rope, TokensOf(batch, sequence));
        }
        if (isOwn) return OwnRows(batch);
        if (needed > _positions)
        {
            _positions = (int)Math.Min(configuration.MaximumPositions, Math.Max(FirstPositions, needed * 2L));
            _shared = new RotaryRows(new float[_positions * _half], new float[_positions * _half], _half, byPosition: true);
            Fill(_shared, 0, 0, _positions, length: 0);
        }
        return _shared;
    }

    private RotaryRows OwnRows(PackedBatch batch)
    {
        var rows = new RotaryRows(new float[batch.Rows * _half], new float[batch.Rows * _half], _half, byPosition: false);
        for (var sequence = 0; sequence < batch.Count; sequence++)
        {
            var first = batch.Starts[sequence];
            Fill(rows, first, batch.Positions[first], batch.Length(sequence), TokensOf(batch, sequence));
        }
        return rows;
    }

    /// <summary>Fills consecutive rows with consecutive positions of a sequence.</summary>
    private void Fill(RotaryRows rows, int firstRow, int firstPosition, int count, int length)
    {
        var (frequencies, magnitude) = RopeFrequencies.Of(rope, configuration.HeadSize, length);
        for (var i = 0; i < count; i++)
        {
            for (var pair = 0; pair < _half; pair++)
            {
                var (sine, cosine) = Math.SinCos((firstPosition + i) * frequencies[pair]);
                var index = (firstRow + i) * _half + pair;
                (rows.Cosine[index], rows.Sine[index]) = ((float)(cosine * magnitude), (float)(sine * magnitude));
            }
        }
    }

    /// <summary>The number of tokens of a sequence up to its last row.</summary>
    private static int TokensOf(PackedBatch batch, int sequence) => batch.Positions[batch.Starts[sequence + 1] - 1] + 1;
}

/// <summary>Cosines and sines of rotary position embedding, one of each per rotated pair of a head in every row. Do not modify them.</summary>
public sealed class RotaryRows
{
    internal RotaryRows(float[] cosine, float[] sine, int pairs, bool byPosition) =>
        (Cosine, Sine, Pairs, ByPosition) = (cosine, sine, pairs, byPosition);

    /// <summary>The cosines, row by row.</summary>
    public float[] Cosine { get; }

    /// <summary>The sines, row by row.</summary>
    public float[] Sine { get; }

    /// <summary>Number of pairs that are rotated: half of the rotated part of a head.</summary>
    public int Pairs { get; }

    /// <summary>Whether row i is for position i of any sequence; if false, it is for row i of the batch.</summary>
    public bool ByPosition { get; }
}
