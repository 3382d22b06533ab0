namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Which pieces of a job's work are handed out and which are done. Any thread may ask.</summary>
internal sealed class ChunkBoard
{
    private readonly Lock _turn = new();
    private readonly int[][] _chunks;
    private readonly int?[] _holders;
    private readonly bool[] _done;
    private int _next;

    /// <summary>Cuts the work into pieces.</summary>
    /// <param name="places">The places that have no result yet, in order.</param>
    /// <param name="size">Places of a chunk, 1 or more; the last one may have fewer.</param>
    public ChunkBoard(IReadOnlyList<int> places, int size)
    {
        _chunks = [.. places.Chunk(size)];
        (_holders, _done) = (new int?[_chunks.Length], new bool[_chunks.Length]);
    }

    /// <summary>How many chunks there are.</summary>
    public int Count => _chunks.Length;

    /// <summary>The places of a chunk.</summary>
    public IReadOnlyList<int> Places(int chunk) => _chunks[chunk];

    /// <summary>Hands the next chunk to a process; null: none is left.</summary>
    public int? Take(int rank)
    {
        lock (_turn)
        {
            if (_next == _chunks.Length) return null;
            _holders[_next] = rank;
            return _next++;
        }
    }

    /// <summary>Notes that a chunk is done.</summary>
    /// <exception cref="InvalidOperationException">The process does not hold the chunk, or it was done before.</exception>
    public void Complete(int chunk, int rank)
    {
        lock (_turn)
        {
            if (chunk < 0 || chunk >= _chunks.Length || _holders[chunk] != rank || _done[chunk])
                throw new InvalidOperationException($"Process {rank} has a result for chunk {chunk}, which it does not hold.");
            _done[chunk] = true;
        }
    }
}
