using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// The processes that work on one job, numbered from 0, and what they say to each other: sums, copies, messages. The engine is the MPI library installed on the
/// machine; a process that no launcher of MPI has started is a job of one.
/// </summary>
/// <remarks>
/// <para>
/// <see cref="AllReduceSum(Span{float})"/>, <see cref="Broadcast"/>, <see cref="Gather"/> and <see cref="Barrier"/> are collective: every process calls them, in
/// the same order. A process that waits lets others have the processor, and finds out when a process it waits for has ended: the wait then ends in an
/// <see cref="NlftException"/> that names it.
/// </para>
/// <para>Members may be called from any thread; collective ones from one thread at a time.</para>
/// </remarks>
public sealed class Communicator : IDisposable
{
    /// <summary>The largest tag of <see cref="Send"/>: what every MPI library allows.</summary>
    public const int MaximumTag = 32767;

    private const int Largest = 1 << 28; // elements of one call to the library, which counts in 32 bits

    private static readonly Lazy<Communicator> s_current = new(() => Start(Environment.GetEnvironmentVariable));

    private readonly MpiSession? _mpi;
    private readonly Queue<Message> _toSelf = new();

    private Communicator(MpiSession? mpi)
    {
        _mpi = mpi;
        if (mpi is null)
        {
            Places = [RankPlace.OfThisProcess(0)];
            return;
        }
        (Rank, Size) = (mpi.Rank, mpi.Size);
        Places = [RankPlace.OfThisProcess(Rank)];
        Places = [.. AllGather(PlaceText.Write(Places[0])).Select(PlaceText.Read)];
        mpi.Watch(Places);
    }

    /// <summary>A job of one process; needs no MPI.</summary>
    public static Communicator Single { get; } = new(null);

    /// <summary>
    /// This process's own: MPI's when a launcher of MPI (mpirun, mpiexec, srun) has started it, else <see cref="Single"/>. It begins with the first use and ends
    /// with the process: MPI can be started only once.
    /// </summary>
    /// <exception cref="NlftException">A launcher has started this process and its library is missing, too old, or sees another number of processes.</exception>
    public static Communicator Current => s_current.Value;

    /// <summary>The number of this process, from 0.</summary>
    public int Rank { get; }

    /// <summary>How many processes there are, 1 or more.</summary>
    public int Size { get; } = 1;

    /// <summary>Whether this is process 0: the one that prints and writes files.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Whether this process is the one to say why the job ends: the first, unless it was killed.</summary>
    public bool IsSpeaker => Rank == (_mpi?.FirstAlive ?? 0);

    /// <summary>Where each process runs, by rank.</summary>
    public IReadOnlyList<RankPlace> Places { get; }

    /// <summary>How many of the processes run on this machine, this one included: what shares its memory.</summary>
    public int SizeOnThisHost => Places.Count(place => place.Host == Places[Rank].Host);

    /// <summary>Processors for this process alone, 1 or more: those that it may run on, divided among the processes that may run on the same ones.</summary>
    public int Processors => Math.Max(1, Environment.ProcessorCount / Places.Count(place => place.Host == Places[Rank].Host && place.Processors == Places[Rank].Processors));

    /// <summary>The library in use, as it names itself; null for a job of one without MPI.</summary>
    public string? Library => _mpi?.Library.Version;

    /// <summary>Cancelled when a process of the job has failed: long work between two collective calls can stop then.</summary>
    public CancellationToken Failed => _mpi?.Failed ?? CancellationToken.None;

    /// <summary>What went wrong with another process, or null.</summary>
    public NlftException? Failure => _mpi?.Failure;

    /// <summary>Bytes that this process has given to sums, broadcasts and messages so far, without what the library's algorithm adds to them.</summary>
    public long BytesGiven { get; private set; }

    /// <summary>Time that this process has waited in collective calls so far.</summary>
    public TimeSpan Waited => _mpi?.Waited ?? default;

    internal static Communicator Start(Func<string, string?> variable)
    {
        if (MpiLauncher.Detect(variable) is not { } launcher) return Single;
        Communicator communicator;
        using (RuntimeSignals.Keep()) communicator = new Communicator(MpiSession.Start(MpiFinder.Open(launcher, variable, name => NativeLibrary.TryLoad(name, out var library) ? library : null), launcher));
        // Ends MPI when the program ends. A program that dies of an exception does not come by there: the others are told why.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => communicator.Dispose();
        AppDomain.CurrentDomain.UnhandledException += (_, e) => communicator.Fail(e.ExceptionObject is Exception exception ? exception.Message : "an unhandled exception");
        return communicator;
    }

    /// <summary>Replaces every number by its sum over all processes. Every process has the same sums afterwards.</summary>
    /// <param name="values">As many on every process.</param>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public void AllReduceSum(Span<float> values) => Sum(values);

    /// <inheritdoc cref="AllReduceSum(Span{float})"/>
    public void AllReduceSum(Span<double> values) => Sum(values);

    /// <summary>Copies bytes from one process to all.</summary>
    /// <param name="content">What to copy; only read on process <paramref name="from"/>.</param>
    /// <param name="from">Whose bytes.</param>
    /// <returns>The bytes of process <paramref name="from"/>.</returns>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public byte[] Broadcast(ReadOnlySpan<byte> content, int from = 0)
    {
        CheckRank(from);
        if (_mpi is null) return content.ToArray();
        Span<int> length = [content.Length];
        _mpi.Broadcast(MemoryMarshal.AsBytes(length), from);
        var bytes = new byte[length[0]];
        if (Rank == from) content.CopyTo(bytes);
        _mpi.Broadcast(bytes, from);
        if (Rank == from) BytesGiven += bytes.Length;
        return bytes;
    }

    /// <summary>Collects bytes, of any length, on process 0.</summary>
    /// <param name="content">This process's.</param>
    /// <returns>On process 0 the bytes of every process, by rank; elsewhere none.</returns>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> content)
    {
        if (_mpi is null) return [content.ToArray()];
        if (!IsFirst)
        {
            BytesGiven += content.Length;
            _mpi.Send(0, MpiSession.GatherTag, content);
            return [];
        }
        var all = new byte[Size][];
        all[0] = content.ToArray();
        for (var rank = 1; rank < Size; rank++) all[rank] = _mpi.WaitForMessage(rank, MpiSession.GatherTag, "data");
        return all;
    }

    /// <summary>Collects bytes, of any length, on every process.</summary>
    /// <returns>The bytes of every process, by rank.</returns>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public IReadOnlyList<byte[]> AllGather(ReadOnlySpan<byte> content)
    {
        var gathered = Gather(content);
        if (Size == 1) return gathered;
        var joined = IsFirst ? gathered.SelectMany(bytes => (byte[])[.. BitConverter.GetBytes(bytes.Length), .. bytes]).ToArray() : [];
        var all = Broadcast(joined);
        var result = new byte[Size][];
        for (int rank = 0, at = 0; rank < Size; rank++)
        {
            var length = BitConverter.ToInt32(all, at);
            result[rank] = all[(at + sizeof(int))..(at + sizeof(int) + length)];
            at += sizeof(int) + length;
        }
        return result;
    }

    /// <summary>Waits until every process has come here.</summary>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public void Barrier() => _mpi?.Barrier();

    /// <summary>Sends a message; does not wait until it is received.</summary>
    /// <param name="to">To which process; may be this one.</param>
    /// <param name="tag">What kind of message, from 0 to <see cref="MaximumTag"/>: messages of one tag from one process arrive in order.</param>
    /// <param name="content">What it carries.</param>
    public void Send(int to, int tag, ReadOnlySpan<byte> content)
    {
        CheckRank(to);
        CheckTag(tag);
        if (to == Rank)
        {
            lock (_toSelf) _toSelf.Enqueue(new Message(Rank, tag, content.ToArray()));
            return;
        }
        _mpi!.Post(to, tag, content);
        BytesGiven += content.Length;
    }

    /// <summary>Takes a message that has arrived; does not wait for one.</summary>
    /// <param name="tag">Of this tag only.</param>
    /// <returns>The message, or null when there is none.</returns>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public Message? TryReceive(int tag)
    {
        CheckTag(tag);
        lock (_toSelf)
        {
            for (var waiting = _toSelf.Count; waiting > 0; waiting--)
            {
                if (_toSelf.Dequeue() is var message && message.Tag == tag) return message;
                _toSelf.Enqueue(message);
            }
        }
        return _mpi?.TryReceive(tag);
    }

    /// <summary>
    /// Has process 0 alone do something, writing a file for example; elsewhere waits until it is done. Process 0 waits for nobody, so a program may as well call
    /// it there only.
    /// </summary>
    /// <param name="what">Which work, in words: the same on every process that calls it, and another one for other work.</param>
    /// <param name="work">The work.</param>
    /// <exception cref="NlftException">Process 0 could not do it, or has ended.</exception>
    public void OnFirst(string what, Action work)
    {
        ArgumentNullException.ThrowIfNull(what);
        ArgumentNullException.ThrowIfNull(work);
        if (_mpi is null)
        {
            work();
            return;
        }
        if (!IsFirst)
        {
            string[] told;
            do told = Encoding.UTF8.GetString(_mpi.WaitForMessage(0, MpiSession.DoneTag, what)).Split('\0'); while (told[0] != what);
            if (told[1].Length > 0) throw new NlftException($"{what} on {Places[0]}", $"a failure (\"{told[1]}\")", "it to be done", "See what that process says.");
            return;
        }
        try
        {
            work();
            Tell("");
        }
        catch (Exception e)
        {
            Tell(e.Message);
            throw;
        }

        void Tell(string fault)
        {
            var bytes = Encoding.UTF8.GetBytes($"{what}\0{fault}");
            for (var rank = 1; rank < Size; rank++) _mpi.Send(rank, MpiSession.DoneTag, bytes);
        }
    }

    /// <summary>
    /// Tells the others that this process cannot go on. Their waits, now or later, end in an <see cref="NlftException"/> that names this process and the reason.
    /// </summary>
    /// <param name="reason">One sentence.</param>
    public void Fail(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        _mpi?.TellFailure(Places[Rank], reason);
    }

    /// <summary>Ends all processes at once, this one included.</summary>
    /// <param name="exitCode">What the launcher is given.</param>
    public void Abort(int exitCode)
    {
        _mpi?.Abort(exitCode);
        Environment.Exit(exitCode);
    }

    /// <summary>Waits until every process is done, then ends MPI; after a failure it does neither. The last thing that a process does: nothing can be said afterwards.</summary>
    public void Dispose() => _mpi?.Dispose();

    private void Sum<T>(Span<T> values)
        where T : unmanaged
    {
        if (_mpi is null) return;
        for (var rest = values; rest.Length > 0; rest = rest[Math.Min(Largest, rest.Length)..]) _mpi.Sum(rest[..Math.Min(Largest, rest.Length)]);
        BytesGiven += (long)values.Length * Unsafe.SizeOf<T>();
    }

    private void CheckRank(int rank)
    {
        if (rank < 0 || rank >= Size) throw new ArgumentOutOfRangeException(nameof(rank), rank, $"There are {Size} processes, from 0.");
    }

    private static void CheckTag(int tag)
    {
        if (tag is < 0 or > MaximumTag) throw new ArgumentOutOfRangeException(nameof(tag), tag, $"Tags go from 0 to {MaximumTag}.");
    }

    /// <summary>A place as it travels.</summary>
    private static class PlaceText
    {
        public static byte[] Write(RankPlace place) =>
            Encoding.UTF8.GetBytes(string.Join('\n', place.Rank, place.Host, place.ProcessId, place.Neighbourhood, place.Began, place.Processors));

        public static RankPlace Read(byte[] bytes) => Encoding.UTF8.GetString(bytes).Split('\n') is var parts
            ? new RankPlace(int.Parse(parts[0]), parts[1], int.Parse(parts[2])) { Neighbourhood = parts[3], Began = parts[4], Processors = parts[5] } : null!;
    }
}
