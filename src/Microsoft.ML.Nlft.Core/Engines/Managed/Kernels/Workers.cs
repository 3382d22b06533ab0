namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Runs independent pieces of work on a bounded number of threads. Every piece writes memory of its own and sums in an order of
/// its own, so results do not depend on the number of threads.
/// </summary>
internal sealed class Workers
{
    private readonly ParallelOptions _options;

    public Workers(int threads) => _options = new ParallelOptions { MaxDegreeOfParallelism = threads };

    public int Threads => _options.MaxDegreeOfParallelism;

    /// <summary>Calls <paramref name="body"/>(0) to <paramref name="body"/>(count - 1).</summary>
    public void For(int count, Action<int> body)
    {
        if (count <= 1 || Threads == 1)
            for (var i = 0; i < count; i++) body(i);
        else
            Parallel.For(0, count, _options, body);
    }

    /// <summary>Splits [0, count) into blocks of at most <paramref name="blockSize"/> and calls <paramref name="body"/>(start, end) for each.</summary>
    public void ForBlocks(int count, int blockSize, Action<int, int> body) =>
        For((count + blockSize - 1) / blockSize, block => body(block * blockSize, Math.Min(count, (block + 1) * blockSize)));
}
