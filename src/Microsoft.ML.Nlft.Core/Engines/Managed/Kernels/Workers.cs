using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A team of threads that runs the independent tasks of a loop. Each task writes its own memory and sums in its own order, so results do not
/// depend on the number of threads. A loop allocates nothing: its state stays on the caller's stack, and the caller runs tasks too. Helper threads
/// wait for the next loop by spinning, then sleeping; after some idle seconds they exit, and are started again on demand.
/// </summary>
internal sealed unsafe class Workers(int threads)
{
    private static readonly TimeSpan IdleTimeout = TimeSpan.FromSeconds(5);
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000; // 50 microseconds, longer than the gaps between the products of a layer

    [ThreadStatic]
    private static int t_slot; // a helper's index in its team, set once when it starts; 0 for a caller

    private readonly SemaphoreSlim _wake = new(0);
    private readonly float[]?[] _scratch = new float[threads][];
    private readonly Workers?[] _alone = new Workers?[threads];
    private float[]? _shared;
    private readonly bool[] _running = new bool[threads]; // by slot; also the lock for starting and ending helpers
    private int _busy, _helpers, _asleep;

    // The current loop. A task is claimed by decrementing _claim, whose upper half numbers the loop and whose lower half counts the unclaimed tasks:
    // a late helper cannot claim a task of a loop that it has not seen.
    private long _claim;
    private void* _state;
    private object? _body;
    private delegate*<void*, object, int, void> _invoke;
    private int _count, _completed;
    private ExceptionDispatchInfo? _failure;

    public int Threads { get; } = threads;

    /// <summary>The number of the calling thread in its team, from 0: the index of what a task finds for itself.</summary>
    public static int Slot => t_slot;

    /// <summary>A team of the calling thread alone, for a task that calls what runs loops.</summary>
    public Workers Alone => _alone[t_slot] ??= new Workers(1);

    /// <summary>
    /// Calls body(state, 0) to body(state, count - 1) and returns when all have ended; rethrows the first exception that one of them threw.
    /// </summary>
    /// <exception cref="InvalidOperationException">A loop is already running.</exception>
    public void For<TState>(int count, TState state, Action<TState, int> body)
    {
        if (count <= 1 || Threads == 1)
        {
            for (var i = 0; i < count; i++) body(state, i);
            return;
        }
        if (Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            throw new InvalidOperationException(
                "The threads are already running a loop: a model serves one caller at a time, and a task must not start a loop of its own.");
        }
        try
        {
            Run(count, Unsafe.AsPointer(ref state), body, &Invoke<TState>);
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    /// <summary>Splits [0, count) into blocks of at most <paramref name="blockSize"/> and calls body(state, start, end) for each.</summary>
    public void ForBlocks<TState>(int count, int blockSize, TState state, Action<TState, int, int> body) =>
        For((count + blockSize - 1) / blockSize, (count, blockSize, state, body), static (loop, block) =>
            loop.body(loop.state, block * loop.blockSize, Math.Min(loop.count, (block + 1) * loop.blockSize)));

    /// <summary>
    /// Returns at least <paramref name="length"/> floats, uninitialized and aligned to a cache line. They belong to the calling thread of the team
    /// until its next call.
    /// </summary>
    public float* Scratch(int length) => AtLeast(ref _scratch[Threads == 1 ? 0 : t_slot], length);

    /// <summary>Returns at least as many bytes that the caller fills before a loop and all threads read in it, until its next call.</summary>
    public byte* Shared(nint bytes) => (byte*)AtLeast(ref _shared, checked((int)((bytes + sizeof(float) - 1) / sizeof(float))));

    private static float* AtLeast(ref float[]? array, int length)
    {
        const int Line = 64;
        var needed = length + Line / sizeof(float);
        if (array is null || array.Length < needed) array = GC.AllocateUninitializedArray<float>(needed, pinned: true);
        return (float*)(((nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)) + Line - 1) & ~(nuint)(Line - 1));
    }

    private static void Invoke<TState>(void* state, object body, int index) => ((Action<TState, int>)body)(Unsafe.AsRef<TState>(state), index);

    private void Run(int count, void* state, object body, delegate*<void*, object, int, void> invoke)
    {
        _state = state;
        _invoke = invoke;
        (_body, _count, _completed, _failure) = (body, count, 0, null);
        Volatile.Write(ref _claim, ((_claim >> 32) + 1) << 32 | (uint)count);
        Interlocked.MemoryBarrier(); // publishes the loop before the sleepers are counted
        if (Volatile.Read(ref _helpers) < Math.Min(count, Threads) - 1) StartHelpers(Math.Min(count, Threads) - 1);
        if (Volatile.Read(ref _asleep) > 0 && Interlocked.Exchange(ref _asleep, 0) is > 0 and var asleep) _wake.Release(asleep);
        while (RunTask()) { }
        var spin = new SpinWait();
        while (Volatile.Read(ref _completed) < count) spin.SpinOnce(sleep1Threshold: -1);
        _body = null;
        _failure?.Throw();
    }

    /// <summary>Runs one task of the current loop; returns false when none is left to claim.</summary>
    private bool RunTask()
    {
        var claim = Volatile.Read(ref _claim);
        var remaining = (int)(uint)claim;
        if (remaining == 0) return false;
        // Read before the claim: when the claim succeeds, the loop is not complete, so these belong to it.
        var state = _state;
        var invoke = _invoke;
        var (body, count) = (_body, _count);
        if (Interlocked.CompareExchange(ref _claim, claim - 1, claim) != claim) return true;
        try
        {
            invoke(state, body!, count - remaining);
        }
        catch (Exception exception)
        {
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(exception), null);
        }
        Interlocked.Increment(ref _completed);
        return true;
    }

    private void StartHelpers(int wanted)
    {
        lock (_running)
        {
            for (var slot = 1; slot < Threads && _helpers < wanted; slot++)
            {
                if (_running[slot]) continue;
                (_running[slot], _helpers) = (true, _helpers + 1);
                new Thread(RunHelper) { IsBackground = true, Name = "NLFT engine" }.Start(slot);
            }
        }
    }

    private void RunHelper(object? slot)
    {
        t_slot = (int)slot!;
        while (true)
        {
            var until = Stopwatch.GetTimestamp() + SpinTicks;
            while (RunTask()) until = Stopwatch.GetTimestamp() + SpinTicks;
            do Thread.SpinWait(10);
            while ((uint)Volatile.Read(ref _claim) == 0 && Stopwatch.GetTimestamp() < until);
            if ((uint)Volatile.Read(ref _claim) != 0) continue;

            Interlocked.Increment(ref _asleep);
            if ((uint)Volatile.Read(ref _claim) != 0) continue; // costs one spurious wake-up later
            if (_wake.Wait(IdleTimeout)) continue;
            lock (_running) (_running[t_slot], _helpers) = (false, _helpers - 1);
            return;
        }
    }
}
