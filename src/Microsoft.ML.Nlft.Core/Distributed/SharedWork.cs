using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Divides work on numbered places among the processes of a job. Rank 0 assigns chunks of places to each requesting process, itself included, so that
/// a fast process does more. It keeps every result; at the end all processes have all results, in the order of the places.
/// </summary>
/// <remarks>
/// A result must depend on its place only, not on the process or the chunk that computes it. When a process dies or fails, all processes end. The
/// results that reached rank 0 are kept; a later run, with any number of processes, computes the missing ones.
/// </remarks>
/// <typeparam name="T">A result, which is serialized as JSON.</typeparam>
internal sealed record SharedWork<T>
    where T : class
{
    /// <summary>Tags of the messages to rank 0 with the results of a chunk, and from rank 0 with the number of the next chunk.</summary>
    private const int RequestTag = Communicator.MaximumTag - 1, AssignTag = Communicator.MaximumTag;

    private const int BroadcastSize = 1024; // results per broadcast

    /// <summary>The processes of the job.</summary>
    public required Communicator Communicator { get; init; }

    /// <summary>The JSON of results.</summary>
    public required JsonTypeInfo<T[]> Json { get; init; }

    /// <summary>The number of places, equal on every process.</summary>
    public required int Count { get; init; }

    /// <summary>Places per chunk, 1 or more; the value of rank 0 counts.</summary>
    public required int ChunkSize { get; init; }

    /// <summary>Computes the results of some places, one for each.</summary>
    public required Func<IReadOnlyList<int>, CancellationToken, IReadOnlyList<T>> Work { get; init; }

    /// <summary>Returns the known result of a place, or null; called on rank 0 only.</summary>
    public Func<int, T?> Known { get; init; } = _ => null;

    /// <summary>Called on rank 0 with places, their new results and the rank that computed them; calls do not overlap.</summary>
    public Action<IReadOnlyList<int>, IReadOnlyList<T>, int> Keep { get; init; } = (_, _, _) => { };

    /// <summary>Does the work. Collective: every process calls it, inside <see cref="SharedWork.RunOnAll"/>.</summary>
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
        if (Communicator.IsFirst) RunCoordinator(board, results, stop);
        else RunWorker(board, stop.Token);
        BroadcastResults(results);
        return results!;
    }

    /// <summary>Rank 0: works like the others while a thread answers their requests.</summary>
    private void RunCoordinator(ChunkBoard board, T?[] results, CancellationTokenSource stop)
    {
        var completion = new Lock();
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
            // When this thread was only stopped, the failure of the serving thread is the cause.
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
                if (Communicator.TryReceive(RequestTag) is not { } asked)
                {
                    Thread.Sleep(1);
                    continue;
                }
                if (asked.Content.Length > 0)
                    Complete(BitConverter.ToInt32(asked.Content), JsonSerializer.Deserialize(asked.Content.AsSpan(sizeof(int)), Json)!, asked.From);
                var next = board.Take(asked.From);
                if (next is null) working--;
                Communicator.Send(asked.From, AssignTag, BitConverter.GetBytes(next ?? -1));
            }
        }

        void Complete(int chunk, IReadOnlyList<T> computed, int rank)
        {
            lock (completion)
            {
                board.Complete(chunk, rank);
                var places = board.Places(chunk);
                for (var i = 0; i < places.Count; i++) results[places[i]] = computed[i];
                Keep(places, computed, rank);
            }
        }
    }

    /// <summary>Other ranks: request a chunk, compute it and send its results until no chunk is left.</summary>
    private void RunWorker(ChunkBoard board, CancellationToken stop)
    {
        for (byte[] report = []; ;)
        {
            Communicator.Send(0, RequestTag, report);
            Message? given;
            while ((given = Communicator.TryReceive(AssignTag)) is null)
            {
                stop.ThrowIfCancellationRequested();
                Thread.Sleep(1);
            }
            var chunk = BitConverter.ToInt32(given.Content);
            if (chunk < 0) return;
            report = [.. given.Content, .. JsonSerializer.SerializeToUtf8Bytes([.. Work(board.Places(chunk), stop)], Json)];
        }
    }

    /// <summary>Broadcasts the results of rank 0.</summary>
    private void BroadcastResults(T?[] results)
    {
        for (var begin = 0; begin < results.Length; begin += BroadcastSize)
        {
            var portion = results.AsSpan(begin, Math.Min(BroadcastSize, results.Length - begin));
            var bytes = Communicator.Broadcast(Communicator.IsFirst ? JsonSerializer.SerializeToUtf8Bytes<T[]>(portion.ToArray()!, Json) : []);
            if (!Communicator.IsFirst) JsonSerializer.Deserialize(bytes, Json).CopyTo(portion);
        }
    }
}

/// <summary>Runs work on all processes of a job.</summary>
internal static class SharedWork
{
    /// <summary>Runs work on every process. A process that fails or is cancelled tells the others, whose waits then end with its reason.</summary>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public static T RunOnAll<T>(Communicator communicator, Func<T> work, CancellationToken cancellationToken)
    {
        try
        {
            return work();
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && communicator.Failure is { } failure)
        {
            throw failure.Wrap();
        }
        catch (Exception error)
        {
            communicator.Fail(error.Message);
            throw;
        }
    }

    /// <summary>Returns a chunk size: a full batch for large work, about four chunks per process for small work.</summary>
    /// <param name="count">The number of places.</param>
    /// <param name="batch">The preferred batch size.</param>
    /// <param name="processes">The number of processes.</param>
    public static int SizeFor(int count, int batch, int processes) => Math.Clamp(count / (4 * processes), 1, batch);
}
