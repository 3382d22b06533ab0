using System.Diagnostics;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Feeds a reader inputs, each a function of seed and number. A reader may accept or refuse with an <see cref="NlftException"/>; another exception, more
/// than <see cref="Patience"/>, or more memory than the input's size explains is a failure. The input lies in its file before it is read: after a crash of the process it is there.
/// </summary>
internal sealed class Fuzzer(Target target, int seed, string folder)
{
    /// <summary>Longest time for one input.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const long MemoryPerByte = 2000;
    private const int PoolSize = 200;

    /// <summary>One of so many inputs begins at a seed: the pool may come to hold little that is accepted.</summary>
    private const int SeedsEvery = 3;

    private readonly List<byte[]> _pool = [.. target.Seeds];

    /// <summary>What was tried.</summary>
    public FuzzReport Run(long count, TimeSpan? limit = null, int mostFailures = 5)
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
        for (var number = 0L; number < count && (limit is null || clock.Elapsed < limit) && report.Failures.Count < mostFailures; number++)
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

    /// <summary>Inputs that reach a refusal for the first time, and some that are accepted, are where further ones begin.</summary>
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
        if (elapsed > Patience) return $"it took {elapsed.TotalSeconds:0.0} seconds";
        return memory > target.Memory + MemoryPerByte * input.Length ? $"{memory} bytes were allocated for a file of {input.Length}" : null;
    }

    private static int HashCode(int seed, long number) => (int)SplitMix64.Hash((ulong)seed, (ulong)number);
}

/// <summary>What a fuzzer found.</summary>
internal sealed record FuzzReport(string Target)
{
    /// <summary>Inputs read.</summary>
    public long Inputs { get; set; }

    /// <summary>Inputs that were accepted.</summary>
    public long Accepted { get; set; }

    /// <summary>Different refusals.</summary>
    public HashSet<string> Refusals { get; } = [];

    /// <summary>What should not have happened, with its input.</summary>
    public List<(string Fault, byte[] Input)> Failures { get; } = [];

    /// <summary>Time of all.</summary>
    public TimeSpan Elapsed { get; set; }
}
