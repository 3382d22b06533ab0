using System.Threading.Channels;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>
/// Answers jobs in order of arrival on one worker, off the callers' threads. Jobs that wait when the model becomes free are answered in one batch,
/// each with its own options.
/// </summary>
internal sealed class ChatQueue : IDisposable
{
    private readonly LocalModel _model;
    private readonly int _maximumBatch;
    private readonly Channel<ChatJob> _waiting = Channel.CreateUnbounded<ChatJob>(new() { SingleReader = true });
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _worker;
    private int _waitingJobs;
    private volatile ChatJob[] _running = [];

    /// <summary>Creates a queue.</summary>
    /// <param name="model">The model; its lock serializes the queue with other users.</param>
    /// <param name="maximumBatch">The maximum number of jobs in a batch, 1 or more.</param>
    public ChatQueue(LocalModel model, int maximumBatch)
    {
        (_model, _maximumBatch) = (model, maximumBatch);
        _worker = Task.Run(WorkAsync);
    }

    /// <summary>The number of jobs that wait for the model.</summary>
    public int Waiting => Volatile.Read(ref _waitingJobs);

    /// <summary>The number of jobs in the batch that the model is answering.</summary>
    public int Running => _running.Count(job => !job.Row.Ended);

    /// <summary>Adds a job at the end.</summary>
    /// <exception cref="ObjectDisposedException">The queue has been closed.</exception>
    public void Enqueue(ChatJob job)
    {
        Interlocked.Increment(ref _waitingJobs);
        if (_waiting.Writer.TryWrite(job)) return;
        Interlocked.Decrement(ref _waitingJobs);
        throw new ObjectDisposedException(nameof(LocalChatClient));
    }

    private async Task WorkAsync()
    {
        while (await _waiting.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            var jobs = new List<ChatJob>();
            while (jobs.Count < _maximumBatch && _waiting.Reader.TryRead(out var job))
            {
                Interlocked.Decrement(ref _waitingJobs);
                if (!job.Row.Ended) jobs.Add(job);
            }
            _running = [.. jobs];
            if (jobs.Count > 0) Answer(_running);
            _running = [];
        }
    }

    private void Answer(ChatJob[] jobs)
    {
        // An engine call continues as long as one reader is left.
        using var work = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        var readers = Array.ConvertAll(jobs, job => job.ReaderLeft.Register(() =>
        {
            if (jobs.All(other => other.Row.Ended)) work.Cancel();
        }));
        try
        {
            _model.Serialize(() =>
            {
                _model.Generator.Extend([.. jobs.Select(job => job.Row)], row => jobs[row].Publish(), work.Token);
                return true;
            });
        }
        catch (Exception failure)
        {
            if (_closing.IsCancellationRequested) failure = new ObjectDisposedException(nameof(LocalChatClient));
            foreach (var job in jobs) job.Fail(failure);
        }
        finally
        {
            foreach (var reader in readers) reader.Dispose();
        }
    }

    /// <summary>Ends running and waiting jobs with <see cref="ObjectDisposedException"/>, and waits until the model is free.</summary>
    public void Dispose()
    {
        _waiting.Writer.TryComplete();
        _closing.Cancel();
        _worker.Wait();
    }
}
