using System.Runtime.InteropServices;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Work on numbered places, divided among the processes of a job: process 0 hands out chunks of places to who asks, itself included, so that a fast process does
/// more; it keeps every result, and at the end all processes have all of them, in the order of the places.
/// </summary>
/// <remarks>
/// What a place's result is must depend on the place alone: who makes it, and together with which others, is chance. When a process dies or fails all processes
/// end; the results that process 0 was told of are kept, and started again, with any number of processes, the work that is missing is done.
/// </remarks>
/// <typeparam name="T">A result; goes to JSON and back.</typeparam>
internal sealed record SharedWork<T>
    where T : class
{
    /// <summary>Tags of messages to process 0, with the results of a chunk, and from it, with the number of the next.</summary>
    private const int AskTag = Communicator.MaximumTag - 1, GiveTag = Communicator.MaximumTag;

    private const int PortionOfSharing = 1024; // results of one broadcast

    /// <summary>Who works.</summary>
    public required Communicator Communicator { get; init; }

    /// <summary>How many places there are; the same on every process.</summary>
    public required int Count { get; init; }

    /// <summary>Places of a chunk, 1 or more; process 0 decides.</summary>
    public required int ChunkSize { get; init; }

    /// <summary>Makes the results of some places, one each.</summary>
    public required Func<IReadOnlyList<int>, CancellationToken, IReadOnlyList<T>> Work { get; init; }

    /// <summary>The result that a place has already, or null; asked on process 0 alone.</summary>
    public Func<int, T?> Known { get; init; } = _ => null;

    /// <summary>Told on process 0 of places, their new results and who made them; one call at a time.</summary>
    public Action<IReadOnlyList<int>, IReadOnlyList<T>, int> Keep { get; init; } = (_, _, _) => { };

    /// <summary>Does the work; every process of the job calls it, inside <see cref="SharedWork.Together"/>.</summary>
    /// <param name="cancellationToken">Observed between chunks and by <see cref="Work"/>.</param>
    /// <returns>The results by place, on every process.</returns>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public T[] Run(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Communicator.Failed);
        var results = new T?[Count];
        if (Communicator.IsFirst)
            for (var place = 0; place < Count; place++) results[place] = Known(place);
        int[] plan = Communicator.IsFirst ? [ChunkSize, .. Enumerable.Range(0, Count).Where(place => results[place] is null)] : [];
        plan = MemoryMarshal.Cast<byte, int>(Communicator.Broadcast(MemoryMarshal.AsBytes(plan.AsSpan()))).ToArray();
        var board = new ChunkBoard(plan[1..], plan[0]);
        if (Communicator.IsFirst) Lead(board, results, stop);
        else Follow(board, stop.Token);
        Share(results);
        return results!;
    }

    /// <summary>Process 0: works like the others while a thread of its own answers them.</summary>
    private void Lead(ChunkBoard board, T?[] results, CancellationTokenSource stop)
    {
        var turn = new Lock();
        var serving = Task.Factory.StartNew(() =>
        {
            try
            {
                Serve();
            }
            catch
            {
                stop.Cancel();
                throw;
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            while (board.Take(Communicator.Rank) is { } chunk) Complete(chunk, Work(board.Places(chunk), stop.Token), Communicator.Rank);
        }
        catch (Exception error)
        {
            stop.Cancel();
            // The fault of the other thread is the cause when this one was merely stopped.
            if (error is OperationCanceledException) serving.GetAwaiter().GetResult();
            else ((Task)serving).ContinueWith(_ => { }, TaskScheduler.Default).Wait();
            throw;
        }
        serving.GetAwaiter().GetResult();

        void Serve()
        {
            for (var working = Communicator.Size - 1; working > 0;)
            {
                stop.Token.ThrowIfCancellationRequested();
                if (Communicator.TryReceive(AskTag) is not { } asked)
                {
                    Thread.Sleep(1);
                    continue;
                }
                if (asked.Content.Length > 0)
                    Complete(BitConverter.ToInt32(asked.Content), JsonSerializer.Deserialize<T[]>(asked.Content.AsSpan(sizeof(int)))!, asked.From);
                var next = board.Take(asked.From);
                if (next is null) working--;
                Communicator.Send(asked.From, GiveTag, BitConverter.GetBytes(next ?? -1));
            }
        }

        void Complete(int chunk, IReadOnlyList<T> made, int rank)
        {
            lock (turn)
            {
                board.Complete(chunk, rank);
                var places = board.Places(chunk);
                for (var i = 0; i < places.Count; i++) results[places[i]] = made[i];
                Keep(places, made, rank);
            }
        }
    }

    /// <summary>The others: ask, work, hand over, until there is no more.</summary>
    private void Follow(ChunkBoard board, CancellationToken stop)
    {
        for (byte[] report = []; ;)
        {
            Communicator.Send(0, AskTag, report);
            Message? given;
            while ((given = Communicator.TryReceive(GiveTag)) is null)
            {
                stop.ThrowIfCancellationRequested();
                Thread.Sleep(1);
            }
            var chunk = BitConverter.ToInt32(given.Content);
            if (chunk < 0) return;
            report = [.. given.Content, .. JsonSerializer.SerializeToUtf8Bytes(Work(board.Places(chunk), stop))];
        }
    }

    /// <summary>From process 0 to all.</summary>
    private void Share(T?[] results)
    {
        for (var begin = 0; begin < results.Length; begin += PortionOfSharing)
        {
            var portion = results.AsSpan(begin, Math.Min(PortionOfSharing, results.Length - begin));
            var bytes = Communicator.Broadcast(Communicator.IsFirst ? JsonSerializer.SerializeToUtf8Bytes(portion.ToArray()) : []);
            if (!Communicator.IsFirst) JsonSerializer.Deserialize<T[]>(bytes).CopyTo(portion);
        }
    }
}

/// <summary>What surrounds shared work.</summary>
internal static class SharedWork
{
    /// <summary>Runs what all processes do together: one that fails or is cancelled tells the others, whose waits then end with its reason.</summary>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public static T Together<T>(Communicator communicator, Func<T> work, CancellationToken cancellationToken)
    {
        try
        {
            return work();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && communicator.Failure is { } failure)
        {
            throw failure.Again();
        }
        catch (Exception error)
        {
            communicator.Fail(error.Message);
            throw;
        }
    }

    /// <summary>A size that fills a batch where there is much to do, and gives every process four chunks where there is little.</summary>
    /// <param name="count">How many places there are.</param>
    /// <param name="batch">How many are best done together.</param>
    /// <param name="processes">How many processes there are.</param>
    public static int SizeFor(int count, int batch, int processes) => Math.Clamp(count / (4 * processes), 1, batch);
}
