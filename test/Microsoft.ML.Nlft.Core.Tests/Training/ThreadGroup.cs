using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>
/// A group whose processes are threads of this one: the plain version of what MPI does. Sums go by rank, so that they are the same everywhere.
/// </summary>
internal sealed class ThreadGroup : ITrainingGroup
{
    private readonly Shared _shared;

    private ThreadGroup(Shared shared, int rank) => (_shared, Rank) = (shared, rank);

    public int Rank { get; }

    public int Size => _shared.Slots.Length;

    public CancellationToken Failed => _shared.Failed.Token;

    public NlftException? Failure => _shared.Failure;

    public string Name(int rank) => $"rank {rank}";

    /// <summary>Bytes that each process has given to sums of single precision.</summary>
    public long BytesSummed { get; private set; }

    /// <summary>Runs one thread per process and gives what each returned or threw.</summary>
    public static (T? Result, Exception? Thrown)[] Run<T>(int size, Func<ThreadGroup, T> work)
    {
        using var shared = new Shared(size);
        var results = new (T?, Exception?)[size];
        var threads = Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            try
            {
                results[rank] = (work(new ThreadGroup(shared, rank)), null);
            }
            catch (Exception e)
            {
                results[rank] = (default, e);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(1)), "a process waits for ever"));
        return results;
    }

    public void Sum(Span<float> values)
    {
        var all = Meet(values.ToArray());
        values.Clear();
        foreach (float[] one in all)
            for (var i = 0; i < values.Length; i++) values[i] += one[i];
        BytesSummed += sizeof(float) * (long)values.Length;
    }

    public void Sum(Span<double> values)
    {
        var all = Meet(values.ToArray());
        values.Clear();
        foreach (double[] one in all)
            for (var i = 0; i < values.Length; i++) values[i] += one[i];
    }

    public IReadOnlyList<byte[]> Exchange(ReadOnlySpan<byte> mine) => [.. Meet(mine.ToArray()).Cast<byte[]>()];

    public byte[] FromFirst(ReadOnlySpan<byte> mine) => (byte[])Meet(mine.ToArray())[0];

    public void Fail(string reason)
    {
        _shared.Failure ??= new NlftException(Name(Rank), $"a failure (\"{reason}\")", "all processes to go on", "Start again.");
        _shared.Failed.Cancel();
    }

    private Array[] Meet(Array mine)
    {
        _shared.Slots[Rank] = mine;
        Wait();
        Array[] all = [.. _shared.Slots];
        Wait();
        return all;
    }

    private void Wait()
    {
        try
        {
            _shared.Barrier.SignalAndWait(_shared.Failed.Token);
        }
        catch (OperationCanceledException)
        {
            throw _shared.Failure!;
        }
    }

    private sealed class Shared(int size) : IDisposable
    {
        public Array[] Slots { get; } = new Array[size];

        public Barrier Barrier { get; } = new(size);

        public CancellationTokenSource Failed { get; } = new();

        public NlftException? Failure { get; set; }

        public void Dispose() => Barrier.Dispose();
    }
}
