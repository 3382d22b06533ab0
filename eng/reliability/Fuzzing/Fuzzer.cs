using System.Diagnostics;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Feeds inputs to a reader, each determined by a seed and a number. A reader may accept the input or refuse it with an <see cref="NlftException"/>.
/// Another exception, a longer time than <see cref="Timeout"/>, or more memory than the input's size explains is a failure. The input is written to
/// its file first, so that it survives a crash. The time is that of the processors, unless the clock's is shorter: other work on the machine is no
/// fault of the reader.
/// </summary>
/// <param name="target">The reader.</param>
/// <param name="seed">The seed of the inputs.</param>
/// <param name="folder">Where the input is written.</param>
/// <param name="coverage">
/// Says what an input reached: one that reaches a new edge becomes part of the corpus, from which later inputs are made. Null: inputs with new
/// refusals, and some that are accepted, take that place.
/// </param>
/// <param name="wordsOf">Returns the words of the classes that the seeds enter; null: none.</param>
internal sealed class Fuzzer(Target target, int seed, string folder, Coverage? coverage = null, Func<IReadOnlyList<string>>? wordsOf = null)
{
    /// <summary>The maximum time for one input.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    /// <summary>The maximum time by the clock: a reader that waits is a failure too.</summary>
    private static readonly TimeSpan s_longestWait = TimeSpan.FromMinutes(1);

    private const long MemoryPerByte = 2000;
    private const int LargestKept = 1 << 14;

    /// <summary>The most inputs of the corpus without coverage.</summary>
    private const int CorpusSize = 200;

    /// <summary>One in this many inputs starts from a seed, because the corpus may hold few inputs that are accepted.</summary>
    private const int SeedsEvery = 3;

    private readonly List<byte[]> _corpus = [.. target.Seeds];

    /// <summary>Feeds inputs until the count, the time limit or the maximum of failures is reached.</summary>
    /// <param name="count">The most inputs.</param>
    /// <param name="limit">The time limit; null: none.</param>
    /// <param name="maximumFailures">The most failures.</param>
    /// <param name="least">Inputs that are fed whatever the time, 0 or more: what a slow machine finds does not depend on its speed.</param>
    public FuzzReport Run(long count, TimeSpan? limit = null, int maximumFailures = 5, long least = 0)
    {
        Directory.CreateDirectory(folder);
        var path = Path.Combine(folder, target.FileName);
        var report = new FuzzReport(target.Name);
        Try(path, target.Seeds[0], out _); // compiles the code, which counts as no time of an input
        var clock = Stopwatch.StartNew();
        coverage?.Restart();
        foreach (var given in target.Seeds)
        {
            if (Try(path, given, out _) is { } fault) report.Failures.Add(($"a seed is refused or fails: {fault}", given));
            else if (!_accepted) report.Failures.Add(("a seed is refused", given));
            coverage?.Collect();
        }
        var words = wordsOf?.Invoke() ?? [];
        foreach (var given in target.Corpus)
        {
            if (Try(path, given, out _) is { } fault) report.Failures.Add(($"an input of the corpus fails: {fault}", given));
            coverage?.Collect();
            _corpus.Add(given);
        }
        for (var number = 0L; number < count && report.Failures.Count < maximumFailures; number++)
        {
            if (number >= least && clock.Elapsed >= limit) break;
            var random = new Draw(HashCode(seed, number), words);
            var from = random.Next(SeedsEvery) == 0 ? target.Seeds[random.Next(target.Seeds.Count)] : _corpus[random.Next(_corpus.Count)];
            var input = target.Mutate(random, from);
            var fault = Try(path, input, out var refusal);
            report.Inputs++;
            if (_accepted) report.Accepted++;
            var isNew = refusal is not null && report.Refusals.Add(refusal);
            var isKept = coverage?.Collect() ?? (isNew || (_accepted && random.Next(50) == 0));
            if (fault is not null) report.Failures.Add((fault, input));
            else if (isKept) Keep(random, input);
        }
        (report.Elapsed, report.Corpus, report.Edges) = (clock.Elapsed, _corpus, coverage?.Edges);
        return report;
    }

    /// <summary>Returns the edges that an input reaches.</summary>
    public IReadOnlyList<int> EdgesOf(byte[] input)
    {
        Try(Path.Combine(folder, target.FileName), input, out _);
        return coverage!.Take();
    }

    private bool _accepted;

    /// <summary>Adds an input to the corpus. With coverage it only grows, and no faster than edges are found.</summary>
    private void Keep(Draw random, byte[] input)
    {
        if (input.Length > LargestKept) return;
        if (coverage is not null || _corpus.Count < CorpusSize) _corpus.Add(input);
        else _corpus[target.Seeds.Count + random.Next(CorpusSize - target.Seeds.Count)] = input;
    }

    private string? Try(string path, byte[] input, out string? refusal)
    {
        File.WriteAllBytes(path, input);
        (_accepted, refusal) = (false, null);
        coverage?.Clear();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var (clock, busy) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
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
        busy = Environment.CpuUsage.TotalTime - busy;
        if ((elapsed < busy ? elapsed : busy) > Timeout || elapsed > s_longestWait) return $"it took {elapsed.TotalSeconds:0.0} seconds";
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
