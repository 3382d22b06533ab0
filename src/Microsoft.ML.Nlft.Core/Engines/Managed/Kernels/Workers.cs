using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A team of threads that shares out independent pieces of work. A piece writes memory of its own and sums in an order of its own, so results
/// do not depend on the number of threads. Sharing out allocates nothing: the work's state lies on the caller's stack, and the caller works too.
/// Helpers wait for the next work by spinning for a moment, then asleep; after some seconds without work they end, and are started again on demand.
/// </summary>
internal sealed unsafe class Workers(int threads)
{
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000; // 50 microseconds: longer than the gaps between the layers' products

    [ThreadStatic]
    private static int t_slot; // of a helper among its team's threads, set once as it starts; 0 for whoever calls

    private readonly SemaphoreSlim _wake = new(0);
    private readonly float[]?[] _scratch = new float[threads][];
    private readonly bool[] _helping = new bool[threads]; // by slot; also the lock for starting and ending
    private int _busy, _helpers, _asleep;

    // The work at hand. A piece is claimed by counting Remaining down: the upper half of _claim numbers the work, the lower half is what remains,
    // so that a late helper cannot claim a piece of work it has not seen.
    private long _claim;
    private void* _state;
    private object? _body;
    private delegate*<void*, object, int, void> _invoke;
    private int _count, _completed;
    private ExceptionDispatchInfo? _failure;

    public int Threads { get; } = threads;

    /// <summary>Calls body(state, 0) to body(state, count - 1) and returns when all have ended. The first exception thrown is thrown here.</summary>
    public void For<TState>(int count, TState state, Action<TState, int> body)
    {
        if (count <= 1 || Threads == 1)
        {
            for (var i = 0; i < count; i++) body(state, i);
            return;
        }
        if (Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
            throw new InvalidOperationException("The threads are at work already: a model serves one caller at a time, and a piece of work shares nothing out.");
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
        For((count + blockSize - 1) / blockSize, (count, blockSize, state, body), static (work, block) =>
            work.body(work.state, block * work.blockSize, Math.Min(work.count, (block + 1) * work.blockSize)));

    /// <summary>
    /// At least <paramref name="length"/> floats that belong to the calling thread of the team, at a cache line, until it asks again. They hold
    /// whatever was in them.
    /// </summary>
    public float* Scratch(int length)
    {
        const int Line = 64;
        ref var array = ref _scratch[t_slot];
        if (array is null || array.Length < length + Line / sizeof(float)) array = GC.AllocateUninitializedArray<float>(length + Line / sizeof(float), pinned: true);
        return (float*)(((nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)) + Line - 1) & ~(nuint)(Line - 1));
    }

    private static void Invoke<TState>(void* state, object body, int index) => ((Action<TState, int>)body)(Unsafe.AsRef<TState>(state), index);

    private void Run(int count, void* state, object body, delegate*<void*, object, int, void> invoke)
    {
        _state = state;
        _invoke = invoke;
        (_body, _count, _completed, _failure) = (body, count, 0, null);
        Volatile.Write(ref _claim, ((_claim >> 32) + 1) << 32 | (uint)count);
        Interlocked.MemoryBarrier(); // the work is visible before the sleepers are counted
        if (Volatile.Read(ref _helpers) < Math.Min(count, Threads) - 1) StartHelpers(Math.Min(count, Threads) - 1);
        if (Volatile.Read(ref _asleep) > 0 && Interlocked.Exchange(ref _asleep, 0) is > 0 and var asleep) _wake.Release(asleep);
        while (Work()) { }
        var spin = new SpinWait();
        while (Volatile.Read(ref _completed) < count) spin.SpinOnce(sleep1Threshold: -1);
        _body = null;
        _failure?.Throw();
    }

    /// <summary>Does one piece of the work at hand; false when none is left to claim.</summary>
    private bool Work()
    {
        var claim = Volatile.Read(ref _claim);
        var remaining = (int)(uint)claim;
        if (remaining == 0) return false;
        // Read before the claim: when the claim succeeds, the work is not complete, so these belong to it.
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
        lock (_helping)
            for (var slot = 1; slot < Threads && _helpers < wanted; slot++)
            {
                if (_helping[slot]) continue;
                (_helping[slot], _helpers) = (true, _helpers + 1);
                new Thread(Help) { IsBackground = true, Name = "NLFT engine" }.Start(slot);
            }
    }

    private void Help(object? slot)
    {
        t_slot = (int)slot!;
        while (true)
        {
            var until = Stopwatch.GetTimestamp() + SpinTicks;
            while (Work()) until = Stopwatch.GetTimestamp() + SpinTicks;
            do Thread.SpinWait(10);
            while ((uint)Volatile.Read(ref _claim) == 0 && Stopwatch.GetTimestamp() < until);
            if ((uint)Volatile.Read(ref _claim) != 0) continue;

            Interlocked.Increment(ref _asleep);
            if ((uint)Volatile.Read(ref _claim) != 0) continue; // it is woken once for nothing, later
            if (_wake.Wait(Idle)) continue;
            lock (_helping) (_helping[t_slot], _helpers) = (false, _helpers - 1);
            return;
        }
    }
}
