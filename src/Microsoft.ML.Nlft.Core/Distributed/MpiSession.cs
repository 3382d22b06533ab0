using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Runs MPI in this process: serializes its calls, waits without occupying the processor, and watches the other processes. The watch checks that the
/// processes on this machine still run and receives failure messages; between machines, one process of each sends heartbeats to the next.
/// </summary>
internal sealed unsafe class MpiSession : IDisposable
{
    /// <summary>The tag of <see cref="Communicator.Gather"/>.</summary>
    public const int GatherTag = 4;

    /// <summary>The tag of <see cref="Communicator.OnFirst"/>.</summary>
    public const int DoneTag = 5;

    private const string Ended = "it has ended";

    private const int FailureTag = 1, FarewellTag = 2, HeartbeatTag = 3;

    private static readonly TimeSpan
        s_yieldTime = TimeSpan.FromMilliseconds(20), // a wait yields before it sleeps: most waits are short
        s_watchPeriod = TimeSpan.FromMilliseconds(250),
        s_heartbeatPeriod = TimeSpan.FromSeconds(2),
        s_heartbeatTimeout = TimeSpan.FromSeconds(30), // without a heartbeat the machine or the network is lost
        s_gracePeriod = TimeSpan.FromSeconds(2); // for the last messages of a departed process

    private readonly Lock _calls = new();
    private readonly nint _collective, _messages, _control;
    private readonly MpiOutbox _outbox;
    private readonly CancellationTokenSource _failed = new();
    private readonly PosixSignalRegistration? _peerEnded;
    private readonly bool _ownsMpi;
    private readonly bool[] _left;
    private IReadOnlyList<RankPlace> _places = [];
    private Thread? _watch;
    private volatile NlftException? _failure;
    private volatile bool _stopped;
    private int _firstAlive;
    private long _waitedTicks;
    private bool _disposed;

    private MpiSession(MpiLibrary library, MpiLauncher launcher)
    {
        (Library, _outbox) = (library, new MpiOutbox(library));
        if (library.IsFinalized)
        {
            throw new NlftException("MPI", "already finalized in this process", "not finalized",
                "Let the program end MPI after its last use of this library.");
        }
        _ownsMpi = !library.IsInitialized;
        if (_ownsMpi) library.Initialize();
        (Rank, Size) = (library.Rank(library.World), library.Size(library.World));
        if (launcher.Size is { } told && told != Size)
        {
            throw new NlftException($"MPI library {library.Name}", $"a job of {Size} ({library.Version})",
                $"the {told} processes that {launcher.Name} says it started",
                $"Start the program with the launcher of that library (srun: --mpi=pmix or --mpi=pmi2), or name the launcher's library in "
                    + $"{MpiFinder.Variable}.");
        }
        // Three communicators keep the three kinds of messages apart.
        (_collective, _messages, _control) = (library.Duplicate(library.World), library.Duplicate(library.World), library.Duplicate(library.World));
        _left = new bool[Size];
        // MPICH's launcher can announce a dead process with SIGUSR1, whose default action would end this process.
        if (library.Family == MpiFamily.Mpich && !OperatingSystem.IsWindows())
            _peerEnded = PosixSignalRegistration.Create((PosixSignal)(OperatingSystem.IsLinux() ? 10 : 30), signal => signal.Cancel = true);
    }

    public MpiLibrary Library { get; }

    public int Rank { get; }

    public int Size { get; }

    /// <summary>Cancelled when another process has failed.</summary>
    public CancellationToken Failed => _failed.Token;

    /// <summary>The failure of another process, or null.</summary>
    public NlftException? Failure => _failure;

    /// <summary>The lowest rank that is not known to have been killed.</summary>
    public int FirstAlive => Volatile.Read(ref _firstAlive);

    /// <summary>The time spent in waits.</summary>
    public TimeSpan Waited => new(Interlocked.Read(ref _waitedTicks));

    /// <summary>Starts MPI in this process.</summary>
    /// <exception cref="NlftException">The library reports a different number of processes than the launcher.</exception>
    public static MpiSession Start(MpiLibrary library, MpiLauncher launcher) => new(library, launcher);

    /// <summary>Starts to watch the other processes.</summary>
    public void Watch(IReadOnlyList<RankPlace> places)
    {
        _places = places;
        _watch = new Thread(WatchOthers) { IsBackground = true, Name = "MPI watch" };
        _watch.Start();
    }

    /// <summary>Replaces every value by its sum over all processes (all-reduce).</summary>
    public void Sum<T>(Span<T> values)
        where T : unmanaged
    {
        ThrowIfFailed();
        fixed (T* place = values)
        {
            nint request;
            lock (_calls) request = Library.BeginSum(place, values.Length, _collective);
            Wait(request, "a sum over all processes");
        }
    }

    /// <summary>Broadcasts the bytes of one process.</summary>
    public void Broadcast(Span<byte> bytes, int from)
    {
        ThrowIfFailed();
        fixed (byte* place = bytes)
        {
            nint request;
            lock (_calls) request = Library.BeginBroadcast(place, bytes.Length, from, _collective);
            Wait(request, "a broadcast", from);
        }
    }

    /// <summary>Waits until all processes have reached the barrier.</summary>
    public void Barrier()
    {
        ThrowIfFailed();
        nint request;
        lock (_calls) request = Library.BeginBarrier(_collective);
        Wait(request, "a barrier");
    }

    /// <summary>Waits until a request is complete.</summary>
    /// <param name="request">The request.</param>
    /// <param name="what">The operation, for messages.</param>
    /// <param name="on">The only process that it depends on; null: all of them.</param>
    private void Wait(nint request, string what, int? on = null) => WaitUntil(() => Library.IsDone(ref request), what, on);

    /// <summary>Sends on the control channel without waiting.</summary>
    public void Send(int to, int tag, ReadOnlySpan<byte> content)
    {
        ThrowIfFailed();
        lock (_calls) _outbox.Send(to, tag, content, _control);
    }

    /// <summary>Sends a user message; the bytes are copied.</summary>
    public void Post(int to, int tag, ReadOnlySpan<byte> content)
    {
        ThrowIfFailed();
        lock (_calls) _outbox.Send(to, tag, content, _messages);
    }

    /// <summary>Receives a user message that has arrived; null when there is none.</summary>
    public Message? TryReceive(int tag)
    {
        ThrowIfFailed();
        int from;
        byte[] content;
        lock (_calls)
        {
            _outbox.Clear();
            if (Library.Probe(null, tag, _messages) is not { } found) return null;
            (from, content) = (found.From, new byte[found.Length]);
        }
        Receive(from, tag, content, _messages);
        return new Message(from, tag, content);
    }

    /// <summary>Receives a message on the control channel; waits for it.</summary>
    public byte[] WaitForMessage(int from, int tag, string what)
    {
        byte[]? content = null;
        WaitUntil(() =>
        {
            if (Library.Probe(from, tag, _control) is not { } found) return false;
            content = new byte[found.Length];
            return true;
        }, what, from);
        Receive(from, tag, content!, _control);
        return content!;
    }

    /// <summary>Tells the other processes that this one has failed.</summary>
    public void BroadcastFailure(RankPlace place, string reason)
    {
        if (_failure is not null || _stopped) return; // they know, or no longer listen
        try
        {
            lock (_calls)
            {
                SendToAll(FailureTag, Encoding.UTF8.GetBytes($"{place}\n{reason}"));
                _failure = ProcessFailed($"{place}", reason);
            }
        }
        catch (NlftException)
        {
        }
        // MPI sends the messages only while it is called.
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_gracePeriod && !SentAll(); Thread.Sleep(1));
    }

    public void Abort(int exitCode)
    {
        lock (_calls) Library.Abort(Library.World, exitCode);
    }

    /// <summary>
    /// Sends a farewell, waits for the farewells of the others and finalizes MPI. After a failure MPI cannot be finalized, only abandoned.
    /// </summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (_failure is null) lock (_calls) SendToAll(FarewellTag, []);
            while (_failure is null && !(SentAll() && AllLeft())) Thread.Sleep(1);
        }
        catch (NlftException e)
        {
            SetFailure(e);
        }
        _stopped = true;
        _watch?.Join(s_gracePeriod);
        _peerEnded?.Dispose();
        if (_ownsMpi && _failure is null) lock (_calls) Library.Finish();
    }

    private void WaitUntil(Func<bool> done, string what, int? on)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            for (long? suspectedAt = null; ;)
            {
                lock (_calls)
                {
                    if (done()) return;
                    _outbox.Clear();
                }
                ThrowIfFailed();
                // A process that left will not take part any more.
                if (FindDeparted(on) is { } gone)
                {
                    suspectedAt ??= Stopwatch.GetTimestamp();
                    if (Stopwatch.GetElapsedTime(suspectedAt.Value) > s_gracePeriod)
                    {
                        throw new NlftException($"{_places[gone]}", "ended", $"to take part in {what}",
                            "Every process must make the same calls: find out why the program ends early on this one.");
                    }
                }
                if (Stopwatch.GetElapsedTime(start) < s_yieldTime) Thread.Yield();
                else Thread.Sleep(1);
            }
        }
        finally
        {
            Interlocked.Add(ref _waitedTicks, Stopwatch.GetElapsedTime(start).Ticks);
        }
    }

    private int? FindDeparted(int? on)
    {
        lock (_calls)
        {
            if (on is { } rank) return _left[rank] ? rank : null;
            var gone = Array.IndexOf(_left, true);
            return gone < 0 ? null : gone;
        }
    }

    private void Receive(int from, int tag, byte[] content, nint communicator)
    {
        fixed (byte* place = content)
        {
            nint request;
            lock (_calls) request = Library.BeginReceive(place, content.Length, from, tag, communicator);
            Wait(request, "a message", from);
        }
    }

    private void SendToAll(int tag, ReadOnlySpan<byte> content)
    {
        for (var rank = 0; rank < Size; rank++)
            if (rank != Rank) _outbox.Send(rank, tag, content, _control);
    }

    private bool SentAll()
    {
        lock (_calls)
        {
            _outbox.Clear();
            return _outbox.IsEmpty;
        }
    }

    private bool AllLeft()
    {
        lock (_calls)
        {
            ReceiveControlMessages();
            for (var rank = 0; rank < Size; rank++)
                if (rank != Rank && !_left[rank]) return false;
            return true;
        }
    }

    private void ThrowIfFailed()
    {
        if (_failure is { } failure) throw failure.Wrap();
    }

    private static NlftException ProcessFailed(string place, string reason) => new(place, $"a failure (\"{reason}\")", "all processes to continue",
        "Remove its cause and start the job again; training resumes from its last checkpoint with ResumeFrom.");

    private static NlftException ProcessEnded(string place, string sign) => new(place, $"that {sign}", "all processes to continue",
        "It was killed or crashed, often for lack of memory. Start the job again, with fewer processes if need be; "
        + "training resumes from its last checkpoint with ResumeFrom.");

    private void WatchOthers()
    {
        var here = _places[Rank].ProcessNamespace;
        var neighbours = _places.Where(place => place.Rank != Rank && place.ProcessNamespace == here && place.IsAlive()).ToList();
        var first = _places.GroupBy(place => place.ProcessNamespace).Select(places => places.First().Rank).ToList();
        var mine = first.IndexOf(Rank);
        var (next, before) = mine < 0 || first.Count == 1 ? (-1, -1)
            : (first[(mine + 1) % first.Count], first[(mine + first.Count - 1) % first.Count]);
        var (lastHeartbeat, lastHeard) = (0L, Stopwatch.GetTimestamp());
        while (!_stopped && _failure is null)
        {
            try
            {
                lock (_calls)
                {
                    ReceiveControlMessages();
                    if (next >= 0 && (lastHeartbeat == 0 || Stopwatch.GetElapsedTime(lastHeartbeat) > s_heartbeatPeriod))
                    {
                        _outbox.Send(next, HeartbeatTag, [], _control);
                        lastHeartbeat = Stopwatch.GetTimestamp();
                    }
                    if (before >= 0 && TryTake(before, HeartbeatTag) is not null) lastHeard = Stopwatch.GetTimestamp();
                    _outbox.Clear();
                }
                foreach (var neighbour in neighbours)
                    if (!neighbour.IsAlive() && !HasLeft(neighbour.Rank)) DeclareEnded(neighbour, "no such process any more");
                if (before >= 0 && !HasLeft(before) && Stopwatch.GetElapsedTime(lastHeard) > s_heartbeatTimeout)
                    DeclareEnded(_places[before], $"no heartbeat for {s_heartbeatTimeout.TotalSeconds:0} s");
            }
            catch (NlftException e)
            {
                SetFailure(e); // reported by the library itself
            }
            Thread.Sleep(s_watchPeriod);
        }
    }

    /// <summary>Receives failure and farewell messages.</summary>
    private void ReceiveControlMessages()
    {
        while (TryTake(null, FailureTag) is { } failure)
        {
            var text = Encoding.UTF8.GetString(failure.Content).Split('\n', 2);
            var ended = text[1].StartsWith(Ended, StringComparison.Ordinal);
            SetFailure(ended ? ProcessEnded(text[0], text[1]) : ProcessFailed(text[0], text[1]));
            if (ended && _places.Count > 0 && text[0] == $"{_places[_firstAlive]}") Volatile.Write(ref _firstAlive, _firstAlive + 1);
        }
        while (TryTake(null, FarewellTag) is { } farewell) _left[farewell.From] = true;
    }

    /// <summary>Receives a short message on the control channel; null when there is none.</summary>
    private Message? TryTake(int? from, int tag)
    {
        if (Library.Probe(from, tag, _control) is not { } found) return null;
        var content = new byte[found.Length];
        fixed (byte* place = content)
        {
            var request = Library.BeginReceive(place, content.Length, found.From, tag, _control);
            while (!Library.IsDone(ref request)) Thread.Yield(); // a short message arrives with its envelope
        }
        return new Message(found.From, tag, content);
    }

    private bool HasLeft(int rank)
    {
        lock (_calls) return _left[rank];
    }

    private void DeclareEnded(RankPlace place, string sign)
    {
        if (place.Rank == _firstAlive) Volatile.Write(ref _firstAlive, place.Rank + 1);
        SetFailure(ProcessEnded($"{place}", $"{Ended} ({sign})"));
        lock (_calls) SendToAll(FailureTag, Encoding.UTF8.GetBytes($"{place}\n{Ended} ({sign})"));
    }

    private void SetFailure(NlftException failure)
    {
        _failure ??= failure;
        ThreadPool.QueueUserWorkItem(_ => _failed.Cancel()); // a callback may call the library
    }
}
