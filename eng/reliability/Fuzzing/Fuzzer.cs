using System.Diagnostics;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Feeds inputs to a reader, each determined by a seed and a number. A reader may accept the input or refuse it with an <see cref="NlftException"/>.
/// Another exception, a longer time than <see cref="Timeout"/>, or more memory than the input's size explains is a failure. The input is written to
/// its file first, so that it survives a crash.
/// </summary>
internal sealed class Fuzzer(Target target, int seed, string folder)
{
    /// <summary>The maximum time for one input.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const long MemoryPerByte = 2000;
    private const int PoolSize = 200;

    /// <summary>One in this many inputs starts from a seed, because the pool may hold few inputs that are accepted.</summary>
    private const int SeedsEvery = 3;

    private readonly List<byte[]> _pool = [.. target.Seeds];

    /// <summary>Feeds inputs until the count, the time limit or the maximum of failures is reached.</summary>
    public FuzzReport Run(long count, TimeSpan? limit = null, int maximumFailures = 5)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, target.FileName);
        var report = new FuzzReport(target.Name);
        var clock = Stopwatch.StartNew();
        foreach (var given in target.Seeds)
        {
            if (Try(path, given, out _) is { } fault) report.Failures.Add(($"a seed is refused or fails: {fault}", given));
            else if (!_accepted) report.Failures.Add(("a seed is refused", given));
        }
        for (var number = 0L; number < count && (limit is null || clock.Elapsed < limit) && report.Failures.Count < maximumFailures; number++)
        {
            var random = new Random(HashCode(seed, number));
            var from = random.Next(SeedsEvery) == 0 ? target.Seeds[random.Next(target.Seeds.Count)] : _pool[random.Next(_pool.Count)];
            var input = target.Mutate(random, from);
            var fault = Try(path, input, out var refusal);
            report.Inputs++;
            if (_accepted) report.Accepted++;
            if (refusal is not null && report.Refusals.Add(refusal)) Keep(random, input);
            else if (_accepted && random.Next(50) == 0) Keep(random, input);
            if (fault is not null) report.Failures.Add((fault, input));
        }
        report.Elapsed = clock.Elapsed;
        return report;
    }

    private bool _accepted;

    /// <summary>Adds an input with a new refusal, or an accepted one, to the pool that later inputs start from.</summary>
    private void Keep(Random random, byte[] input)
    {
        if (input.Length > 1 << 13) return;
        if (_pool.Count < PoolSize) _pool.Add(input);
        else _pool[target.Seeds.Count + random.Next(PoolSize - target.Seeds.Count)] = input;
    }

    private string? Try(string path, byte[] input, out string? refusal)
    {
        File.WriteAllBytes(path, input);
        (_accepted, refusal) = (false, null);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.GetTimestamp();
        try
        {
            target.Read(folder);
            _accepted = true;
        }
        catch (NlftException e)
        {
            refusal = e.Expected.Length > 60 ? e.Expected[..60] : e.Expected;
        }
        catch (Exception e)
        {
            return $"{e.GetType().Name}: {e.Message}\n{e.StackTrace}";
        }
        var (elapsed, memory) = (Stopwatch.GetElapsedTime(clock), GC.GetAllocatedBytesForCurrentThread() - before);
        if (elapsed > Timeout) return $"it took {elapsed.TotalSeconds:0.0} seconds";
        return memory > target.Memory + MemoryPerByte * input.Length ? $"{memory} bytes were allocated for a file of {input.Length}" : null;
    }

    /// <summary>The output function of SplitMix64: neighbouring numbers get unrelated seeds, the same ones on every runtime.</summary>
    private static int HashCode(int seed, long number)
    {
        var z = unchecked((ulong)number * 0x9E3779B97F4A7C15 + (ulong)seed * 0xD1B54A32D192ED03);
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EB);
        return unchecked((int)(z ^ (z >> 31)));
    }
}

/// <summary>The result of a fuzzing run.</summary>
internal sealed record FuzzReport(string Target)
{
    /// <summary>The number of inputs.</summary>
    public long Inputs { get; set; }

    /// <summary>The number of accepted inputs.</summary>
    public long Accepted { get; set; }

    /// <summary>The distinct refusals.</summary>
    public HashSet<string> Refusals { get; } = [];

    /// <summary>The failures with their inputs.</summary>
    public List<(string Fault, byte[] Input)> Failures { get; } = [];

    /// <summary>The total time.</summary>
    public TimeSpan Elapsed { get; set; }
}
