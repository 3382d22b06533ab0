using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Connects the processes of a job: collective operations and messages over the installed MPI library. Ranks count from 0. A process that no MPI
/// launcher started is a job of one process.
/// </summary>
/// <remarks>
/// <para>
/// <see cref="AllReduceSum(Span{float})"/>, <see cref="Broadcast"/>, <see cref="Gather"/> and <see cref="Barrier"/> are collective: every process
/// must call them, in the same order. A waiting process yields the processor. When a process that it waits for has ended, the wait ends in an
/// <see cref="NlftException"/> that names that process.
/// </para>
/// <para>Members may be called from any thread, collective ones from one thread at a time.</para>
/// </remarks>
public sealed class Communicator : IDisposable
{
    /// <summary>The largest tag of <see cref="Send"/>, which every MPI library supports.</summary>
    public const int MaximumTag = 32767;

    private const int MaximumElements = 1 << 28; // per call: MPI counts in 32 bits

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

    /// <summary>Gets the job of one process, which needs no MPI.</summary>
    public static Communicator Single { get; } = new(null);

    /// <summary>
    /// Gets the communicator of this process: MPI's when an MPI launcher (mpirun, mpiexec, srun) started the process, else <see cref="Single"/>. MPI
    /// starts at the first use and ends with the process, because a process can start it only once.
    /// </summary>
    /// <exception cref="NlftException">
    /// A launcher started this process, and its MPI library is missing, is too old, or reports a different number of processes.
    /// </exception>
    public static Communicator Current => s_current.Value;

    /// <summary>Resolves the processes that share some work: the given ones, else <see cref="Current"/>; this process alone if not shared.</summary>
    internal static Communicator Resolve(bool shared, Communicator? given) => shared ? given ?? Current : Single;

    /// <summary>Gets the rank of this process, from 0.</summary>
    public int Rank { get; }

    /// <summary>Gets the number of processes, 1 or more.</summary>
    public int Size { get; } = 1;

    /// <summary>Gets whether this is rank 0, which prints and writes files.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Gets whether this process reports why the job ends: the lowest rank that was not killed.</summary>
    public bool IsSpeaker => Rank == (_mpi?.FirstAlive ?? 0);

    /// <summary>Gets where each process runs, by rank.</summary>
    public IReadOnlyList<RankPlace> Places { get; }

    /// <summary>Gets the number of processes on this machine, this one included; they share its memory.</summary>
    public int SizeOnThisHost => Places.Count(place => place.Host == Places[Rank].Host);

    /// <summary>Gets the number of this process among those on this machine, from 0.</summary>
    public int RankOnThisHost => Places.Take(Rank).Count(place => place.Host == Places[Rank].Host);

    /// <summary>
    /// Gets this process's share of processors, 1 or more: its allowed processors divided by the processes that are allowed on the same ones.
    /// </summary>
    public int Processors => Math.Max(1, Environment.ProcessorCount
        / Places.Count(place => place.Host == Places[Rank].Host && place.Processors == Places[Rank].Processors));

    /// <summary>Gets the version line of the MPI library; null for a job of one process without MPI.</summary>
    public string? Library => _mpi?.Library.Version;

    /// <summary>Gets a token that is cancelled when another process fails, so that long work between two collective calls can stop.</summary>
    public CancellationToken Failed => _mpi?.Failed ?? CancellationToken.None;

    /// <summary>Gets the failure of another process, or null.</summary>
    public NlftException? Failure => _mpi?.Failure;

    /// <summary>
    /// Gets the payload that this process has passed to sums, broadcasts and messages so far, in bytes, without the overhead of the library's
    /// algorithm.
    /// </summary>
    public long BytesGiven { get; private set; }

    /// <summary>Gets the time that this process has waited in collective calls so far.</summary>
    public TimeSpan Waited => _mpi?.Waited ?? default;

    internal static Communicator Start(Func<string, string?> variable)
    {
        if (MpiLauncher.Detect(variable) is not { } launcher) return Single;
        Communicator communicator;
        using (RuntimeSignals.Keep())
        {
            var mpi = MpiFinder.Open(launcher, variable, name => NativeLibrary.TryLoad(name, out var library) ? library : null);
            communicator = new Communicator(MpiSession.Start(mpi, launcher));
        }
        // Ends MPI when the program ends. An unhandled exception skips ProcessExit, so the other processes are told of it.
        AppDomain.CurrentDomain.ProcessExit += (_, _) => communicator.Dispose();
        AppDomain.CurrentDomain.UnhandledException += (_, e) =>
            communicator.Fail(e.ExceptionObject is Exception exception ? exception.Message : "an unhandled exception");
        return communicator;
    }

    /// <summary>Replaces every value by its sum over all processes (all-reduce). Every process gets the same sums.</summary>
    /// <param name="values">The values to sum; the same number on every process.</param>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public void AllReduceSum(Span<float> values) => Sum(values);

    /// <inheritdoc cref="AllReduceSum(Span{float})"/>
    public void AllReduceSum(Span<double> values) => Sum(values);

    /// <summary>Copies bytes from one process to all processes (broadcast).</summary>
    /// <param name="content">The bytes to copy; ignored except on process <paramref name="from"/>.</param>
    /// <param name="from">The rank of the sender. Default 0.</param>
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

    /// <summary>Collects bytes of any length on rank 0 (gather).</summary>
    /// <param name="content">The bytes of this process.</param>
    /// <returns>On rank 0 the bytes of every process, by rank; elsewhere an empty list.</returns>
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

    /// <summary>Collects bytes of any length on every process (all-gather).</summary>
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

    /// <summary>Waits until every process has reached the barrier.</summary>
    /// <exception cref="NlftException">Another process has ended or failed.</exception>
    public void Barrier() => _mpi?.Barrier();

    /// <summary>Sends a message without waiting for its receipt.</summary>
    /// <param name="to">The rank of the receiver, which may be this process.</param>
    /// <param name="tag">The kind of message, from 0 to <see cref="MaximumTag"/>. Messages with one tag from one process arrive in order.</param>
    /// <param name="content">The bytes of the message.</param>
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

    /// <summary>Receives a message that has arrived; does not wait for one.</summary>
    /// <param name="tag">The tag of the message.</param>
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
    /// Runs work on rank 0 only, such as writing a file; the other processes wait until it is done. Rank 0 waits for nobody, so a program may also
    /// call this on rank 0 only.
    /// </summary>
    /// <param name="what">A name for the work, equal on every process that calls it and different for other work.</param>
    /// <param name="work">The work, which runs on rank 0.</param>
    /// <exception cref="NlftException">The work failed on rank 0, or rank 0 has ended.</exception>
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
            if (told[1].Length > 0)
                throw new NlftException($"{what} on {Places[0]}", $"a failure (\"{told[1]}\")", "it to be done", "See the messages of that process.");
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
    /// Tells the other processes that this one failed. Their present and later waits end in an <see cref="NlftException"/> that names this process
    /// and the reason.
    /// </summary>
    /// <param name="reason">One sentence.</param>
    public void Fail(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        _mpi?.BroadcastFailure(Places[Rank], reason);
    }

    /// <summary>Ends all processes at once, this one included (MPI_Abort).</summary>
    /// <param name="exitCode">The exit code for the launcher.</param>
    public void Abort(int exitCode)
    {
        _mpi?.Abort(exitCode);
        Environment.Exit(exitCode);
    }

    /// <summary>
    /// Waits until every process is done, then ends MPI; after a failure it does neither. No member can communicate afterwards.
    /// </summary>
    public void Dispose() => _mpi?.Dispose();

    private void Sum<T>(Span<T> values)
        where T : unmanaged
    {
        if (_mpi is null) return;
        for (var rest = values; rest.Length > 0; rest = rest[Math.Min(MaximumElements, rest.Length)..])
            _mpi.Sum(rest[..Math.Min(MaximumElements, rest.Length)]);
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

    /// <summary>Converts a place to and from the bytes that processes exchange.</summary>
    private static class PlaceText
    {
        public static byte[] Write(RankPlace place) =>
            Encoding.UTF8.GetBytes(string.Join('\n', place.Rank, place.Host, place.ProcessId, place.ProcessNamespace, place.StartTime,
                place.Processors));

        public static RankPlace Read(byte[] bytes) => Encoding.UTF8.GetString(bytes).Split('\n') is var parts
            ? new RankPlace(int.Parse(parts[0]), parts[1], int.Parse(parts[2])) { ProcessNamespace = parts[3], StartTime = parts[4],
                Processors = parts[5] } : null!;
    }
}
