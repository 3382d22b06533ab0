using System.Threading.Channels;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>
/// Answers jobs in the order of their arrival on one worker, away from the callers' threads: what waits when the model becomes free is
/// answered together, each job by its own options.
/// </summary>
internal sealed class ChatQueue : IDisposable
{
    private readonly LocalModel _model;
    private readonly int _mostTogether;
    private readonly Channel<ChatJob> _waiting = Channel.CreateUnbounded<ChatJob>(new() { SingleReader = true });
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _worker;

    /// <summary>Creates a queue.</summary>
    /// <param name="model">The model; other users of it take turns with the queue.</param>
    /// <param name="mostTogether">Most jobs that are answered together, 1 or more.</param>
    public ChatQueue(LocalModel model, int mostTogether)
    {
        (_model, _mostTogether) = (model, mostTogether);
        _worker = Task.Run(WorkAsync);
    }

    /// <summary>Puts a job at the end.</summary>
    /// <exception cref="ObjectDisposedException">The queue has been closed.</exception>
    public void Enqueue(ChatJob job) => ObjectDisposedException.ThrowIf(!_waiting.Writer.TryWrite(job), typeof(LocalChatClient));

    private async Task WorkAsync()
    {
        while (await _waiting.Reader.WaitToReadAsync().ConfigureAwait(false))
        {
            var jobs = new List<ChatJob>();
            while (jobs.Count < _mostTogether && _waiting.Reader.TryRead(out var job))
            {
                if (!job.Row.Ended) jobs.Add(job);
            }
            if (jobs.Count > 0) Answer([.. jobs]);
        }
    }

    private void Answer(ChatJob[] jobs)
    {
        // An engine call is worth finishing as long as one reader is left.
        using var work = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
        var readers = Array.ConvertAll(jobs, job => job.Left.Register(() =>
        {
            if (jobs.All(other => other.Row.Ended)) work.Cancel();
        }));
        try
        {
            _model.InTurn(() =>
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

    /// <summary>Ends what is under way and what waits with <see cref="ObjectDisposedException"/>, and waits for the model to be free.</summary>
    public void Dispose()
    {
        _waiting.Writer.TryComplete();
        _closing.Cancel();
        _worker.Wait();
    }
}
