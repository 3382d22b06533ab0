using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// MPI while it runs in this process: one call at a time, waiting that gives the processor away, and a watch over the other processes. The watch looks whether
/// those on this machine are still there, and listens for what they say when they fail; between machines one process of each sends a sign of life to the next.
/// </summary>
internal sealed unsafe class MpiSession : IDisposable
{
    /// <summary>The tag of what <see cref="Communicator.Gather"/> collects.</summary>
    public const int GatherTag = 4;

    /// <summary>The tag of what <see cref="Communicator.OnFirst"/> tells.</summary>
    public const int DoneTag = 5;

    private const string Ended = "it has ended";

    private const int FailureTag = 1, FarewellTag = 2, BeatTag = 3;

    private static readonly TimeSpan
        s_yielding = TimeSpan.FromMilliseconds(20), // of waiting at first without sleep: most waits are short
        s_watchPeriod = TimeSpan.FromMilliseconds(250),
        s_beatPeriod = TimeSpan.FromSeconds(2),
        s_silence = TimeSpan.FromSeconds(30), // without a sign of life: the machine or the network is gone
        s_grace = TimeSpan.FromSeconds(2); // for what a process did before it left to arrive

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
        if (library.IsFinalized) throw new NlftException("MPI", "already ended in this process", "not ended", "Let the program end MPI after its last use of this library.");
        _ownsMpi = !library.IsInitialized;
        if (_ownsMpi) library.Initialize();
        (Rank, Size) = (library.Rank(library.World), library.Size(library.World));
        if (launcher.Size is { } told && told != Size)
            throw new NlftException($"MPI library {library.Name}", $"a job of {Size} ({library.Version})", $"the {told} processes that {launcher.Name} says it started",
                $"Start the program with the launcher of that library (srun: --mpi=pmix or --mpi=pmi2), or name the launcher's library in {MpiFinder.Variable}.");
        // Messages of three kinds that must not meet.
        (_collective, _messages, _control) = (library.Duplicate(library.World), library.Duplicate(library.World), library.Duplicate(library.World));
        _left = new bool[Size];
        // MPICH's launcher, when it leaves the others alone, tells them of a dead process with SIGUSR1, which would end them.
        if (library.Family == MpiFamily.Mpich && !OperatingSystem.IsWindows())
            _peerEnded = PosixSignalRegistration.Create((PosixSignal)(OperatingSystem.IsLinux() ? 10 : 30), signal => signal.Cancel = true);
    }

    public MpiLibrary Library { get; }

    public int Rank { get; }

    public int Size { get; }

    /// <summary>Cancelled when another process has failed.</summary>
    public CancellationToken Failed => _failed.Token;

    /// <summary>What went wrong with another process.</summary>
    public NlftException? Failure => _failure;

    /// <summary>The first of the processes that are not known to have been killed.</summary>
    public int FirstAlive => Volatile.Read(ref _firstAlive);

    /// <summary>Time spent in <see cref="Wait"/>.</summary>
    public TimeSpan Waited => new(Interlocked.Read(ref _waitedTicks));

    /// <summary>Starts MPI in this process.</summary>
    /// <exception cref="NlftException">The library sees another number of processes than the launcher started.</exception>
    public static MpiSession Start(MpiLibrary library, MpiLauncher launcher) => new(library, launcher);

    /// <summary>Begins the watch.</summary>
    public void Watch(IReadOnlyList<RankPlace> places)
    {
        _places = places;
        _watch = new Thread(WatchOthers) { IsBackground = true, Name = "MPI watch" };
        _watch.Start();
    }

    /// <summary>Replaces every number by its sum over all processes.</summary>
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

    /// <summary>Copies the bytes of one process to all.</summary>
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

    /// <summary>Waits for all processes.</summary>
    public void Barrier()
    {
        ThrowIfFailed();
        nint request;
        lock (_calls) request = Library.BeginBarrier(_collective);
        Wait(request, "a barrier");
    }

    /// <summary>Waits until a request is done.</summary>
    /// <param name="request">What was begun.</param>
    /// <param name="what">What is waited for, for messages.</param>
    /// <param name="on">On which process alone; null: on all.</param>
    private void Wait(nint request, string what, int? on = null) => WaitUntil(() => Library.IsDone(ref request), what, on);

    /// <summary>Sends on the control channel; does not wait.</summary>
    public void Send(int to, int tag, ReadOnlySpan<byte> content)
    {
        ThrowIfFailed();
        lock (_calls) _outbox.Send(to, tag, content, _control);
    }

    /// <summary>Sends a message of the user's; the bytes are copied.</summary>
    public void Post(int to, int tag, ReadOnlySpan<byte> content)
    {
        ThrowIfFailed();
        lock (_calls) _outbox.Send(to, tag, content, _messages);
    }

    /// <summary>Takes a message of the user's that has arrived.</summary>
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

    /// <summary>Waits for a message on the control channel.</summary>
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

    /// <summary>Tells the others that this process has failed.</summary>
    public void TellFailure(RankPlace place, string reason)
    {
        if (_failure is not null || _stopped) return; // they know, or nobody listens any more
        try
        {
            lock (_calls)
            {
                TellAll(FailureTag, Encoding.UTF8.GetBytes($"{place}\n{reason}"));
                _failure = Failing($"{place}", reason);
            }
        }
        catch (NlftException)
        {
        }
        // The messages leave while somebody calls the library.
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < s_grace && !SentAll(); Thread.Sleep(1));
    }

    public void Abort(int exitCode)
    {
        lock (_calls) Library.Abort(Library.World, exitCode);
    }

    /// <summary>Says farewell, waits for the farewell of the others and ends MPI. When a process has failed MPI cannot be ended, only left.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (_failure is null) lock (_calls) TellAll(FarewellTag, []);
            while (_failure is null && !(SentAll() && AllLeft())) Thread.Sleep(1);
        }
        catch (NlftException e)
        {
            SetFailure(e);
        }
        _stopped = true;
        _watch?.Join(s_grace);
        _peerEnded?.Dispose();
        if (_ownsMpi && _failure is null) lock (_calls) Library.Finish();
    }

    private void WaitUntil(Func<bool> done, string what, int? on)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            for (long? suspicious = null; ;)
            {
                lock (_calls)
                {
                    if (done()) return;
                    _outbox.Clear();
                }
                ThrowIfFailed();
                // Who left before it came here will not come.
                if (Gone(on) is { } gone)
                {
                    suspicious ??= Stopwatch.GetTimestamp();
                    if (Stopwatch.GetElapsedTime(suspicious.Value) > s_grace)
                        throw new NlftException($"{_places[gone]}", "ended", $"to take part in {what}", "Every process must do the same: look whether the program ends early on this one.");
                }
                if (Stopwatch.GetElapsedTime(start) < s_yielding) Thread.Yield();
                else Thread.Sleep(1);
            }
        }
        finally
        {
            Interlocked.Add(ref _waitedTicks, Stopwatch.GetElapsedTime(start).Ticks);
        }
    }

    private int? Gone(int? on)
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

    private void TellAll(int tag, ReadOnlySpan<byte> content)
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
            Listen();
            for (var rank = 0; rank < Size; rank++)
                if (rank != Rank && !_left[rank]) return false;
            return true;
        }
    }

    private void ThrowIfFailed()
    {
        if (_failure is { } failure) throw failure.Again();
    }

    private static NlftException Failing(string place, string reason) =>
        new(place, $"a failure (\"{reason}\")", "all processes to go on", "Remove its cause and start the job again; training goes on from its last checkpoint with ResumeFrom.");

    private static NlftException Ending(string place, string sign) => new(place, $"that {sign}", "all processes to go on",
        "It was killed or crashed, often for lack of memory. Start the job again, with fewer processes if need be; training goes on from its last checkpoint with ResumeFrom.");

    private void WatchOthers()
    {
        var here = _places[Rank].Neighbourhood;
        var neighbours = _places.Where(place => place.Rank != Rank && place.Neighbourhood == here && place.IsAlive()).ToList();
        var first = _places.GroupBy(place => place.Neighbourhood).Select(places => places.First().Rank).ToList();
        var mine = first.IndexOf(Rank);
        var (next, before) = mine < 0 || first.Count == 1 ? (-1, -1) : (first[(mine + 1) % first.Count], first[(mine + first.Count - 1) % first.Count]);
        var (lastBeat, lastHeard) = (0L, Stopwatch.GetTimestamp());
        while (!_stopped && _failure is null)
        {
            try
            {
                lock (_calls)
                {
                    Listen();
                    if (next >= 0 && (lastBeat == 0 || Stopwatch.GetElapsedTime(lastBeat) > s_beatPeriod))
                    {
                        _outbox.Send(next, BeatTag, [], _control);
                        lastBeat = Stopwatch.GetTimestamp();
                    }
                    if (before >= 0 && Take(before, BeatTag) is not null) lastHeard = Stopwatch.GetTimestamp();
                    _outbox.Clear();
                }
                foreach (var neighbour in neighbours)
                    if (!neighbour.IsAlive() && !HasLeft(neighbour.Rank)) Declare(neighbour, "no such process any more");
                if (before >= 0 && !HasLeft(before) && Stopwatch.GetElapsedTime(lastHeard) > s_silence)
                    Declare(_places[before], $"no sign of life for {s_silence.TotalSeconds:0} s");
            }
            catch (NlftException e)
            {
                SetFailure(e); // the library itself has noticed
            }
            Thread.Sleep(s_watchPeriod);
        }
    }

    /// <summary>Hears what the others have said of failures and farewells.</summary>
    private void Listen()
    {
        while (Take(null, FailureTag) is { } failure)
        {
            var text = Encoding.UTF8.GetString(failure.Content).Split('\n', 2);
            SetFailure(text[1].StartsWith(Ended, StringComparison.Ordinal) ? Ending(text[0], text[1]) : Failing(text[0], text[1]));
            if (_places.Count > 0 && text[1].StartsWith(Ended, StringComparison.Ordinal) && text[0] == $"{_places[_firstAlive]}") Volatile.Write(ref _firstAlive, _firstAlive + 1);
        }
        while (Take(null, FarewellTag) is { } farewell) _left[farewell.From] = true;
    }

    /// <summary>A short message on the control channel.</summary>
    private Message? Take(int? from, int tag)
    {
        if (Library.Probe(from, tag, _control) is not { } found) return null;
        var content = new byte[found.Length];
        fixed (byte* place = content)
        {
            var request = Library.BeginReceive(place, content.Length, found.From, tag, _control);
            while (!Library.IsDone(ref request)) Thread.Yield(); // its bytes came with its envelope
        }
        return new Message(found.From, tag, content);
    }

    private bool HasLeft(int rank)
    {
        lock (_calls) return _left[rank];
    }

    private void Declare(RankPlace place, string sign)
    {
        if (place.Rank == _firstAlive) Volatile.Write(ref _firstAlive, place.Rank + 1);
        SetFailure(Ending($"{place}", $"{Ended} ({sign})"));
        lock (_calls) TellAll(FailureTag, Encoding.UTF8.GetBytes($"{place}\n{Ended} ({sign})"));
    }

    private void SetFailure(NlftException failure)
    {
        _failure ??= failure;
        ThreadPool.QueueUserWorkItem(_ => _failed.Cancel()); // who listens may call the library
    }
}
