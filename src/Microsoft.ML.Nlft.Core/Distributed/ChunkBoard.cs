namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Tracks which chunks of a job's work are assigned and which are done. Thread-safe.</summary>
internal sealed class ChunkBoard
{
    private readonly Lock _lock = new();
    private readonly int[][] _chunks;
    private readonly int?[] _holders;
    private readonly bool[] _done;
    private int _next;

    /// <summary>Divides the work into chunks.</summary>
    /// <param name="places">The places without a result, in order.</param>
    /// <param name="size">Places per chunk, 1 or more; the last chunk may have fewer.</param>
    public ChunkBoard(IReadOnlyList<int> places, int size)
    {
        _chunks = [.. places.Chunk(size)];
        (_holders, _done) = (new int?[_chunks.Length], new bool[_chunks.Length]);
    }

    /// <summary>The number of chunks.</summary>
    public int Count => _chunks.Length;

    /// <summary>Returns the places of a chunk.</summary>
    public IReadOnlyList<int> Places(int chunk) => _chunks[chunk];

    /// <summary>Assigns the next chunk to a process and returns its number; null when none is left.</summary>
    public int? Take(int rank)
    {
        lock (_lock)
        {
            if (_next == _chunks.Length) return null;
            _holders[_next] = rank;
            return _next++;
        }
    }

    /// <summary>Marks a chunk as done.</summary>
    /// <exception cref="InvalidOperationException">The chunk is not assigned to the process, or is done already.</exception>
    public void Complete(int chunk, int rank)
    {
        lock (_lock)
        {
            if (chunk < 0 || chunk >= _chunks.Length || _holders[chunk] != rank || _done[chunk])
                throw new InvalidOperationException($"Process {rank} has a result for chunk {chunk}, which is not assigned to it.");
            _done[chunk] = true;
        }
    }
}
