using System.Reflection;
using System.Text;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using SharpFuzz.Common;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>Tests that fuzzing with coverage finds what lies behind several conditions, and gives the same inputs with the same seed.</summary>
[TestClass]
[DoNotParallelize] // instrumented code has one map for the whole process
public sealed class CoverageTests
{
    [TestMethod]
    public void Run_ConditionsBehindConditions_AreReachedOneByOne()
    {
        using var folder = new TemporaryFolder();
        var report = new Fuzzer(Behind("FUZZ"), 1, folder.Path, new Coverage()).Run(60_000, maximumFailures: 1);
        StringAssert.Contains(report.Failures.Single().Fault, "reached");
        CollectionAssert.AreEqual(new[] { "", "F", "FU", "FUZ" }, report.Corpus.Select(input => Encoding.Latin1.GetString(input))
            .Select(text => "FUZZ"[..Common(text, "FUZZ")]).Distinct().Order(StringComparer.Ordinal).ToArray());

        var blind = new Fuzzer(Behind("FUZZ"), 1, folder.Path).Run(60_000, maximumFailures: 1);
        Assert.IsEmpty(blind.Failures);
    }

    [TestMethod]
    public void Minimise_Inputs_KeepsShortOnesThatReachAll()
    {
        using var folder = new TemporaryFolder();
        var fuzzer = new Fuzzer(Behind("FUZZY"), 1, folder.Path, new Coverage());
        byte[][] inputs = [.. ((string[])["FUZ????", "F?", "FUZ", "????????", "FU", "FUZ?"]).Select(text => Encoding.Latin1.GetBytes(text))];
        var kept = Corpus.Minimise(Behind("FUZZY"), inputs, fuzzer.EdgesOf).Select(input => Encoding.Latin1.GetString(input));
        Assert.AreEqual("F, FU, FUZ", string.Join(", ", kept));
    }

    [TestMethod]
    [DataRow("config")]
    [DataRow("tokenizer")]
    [DataRow("template")]
    [DataRow("csv")]
    [DataRow("checkpoint")]
    [DataRow("gguf")]
    public void Run_InstrumentedLibrary_ReachesTheSameWithTheSameSeed(string target)
    {
        var first = CountAnew(target, 2);
        Assert.AreEqual(first, CountAnew(target, 2));
        Assert.AreNotEqual(first, CountAnew(target, 3));
    }

    /// <summary>
    /// Counts in a library of its own, as each run of the program has one: what a library does once, such as reading a table, is an edge of the first
    /// input that needs it, and of none later.
    /// </summary>
    private static string CountAnew(string target, int seed)
    {
        using var code = new InstrumentedCode("Microsoft.ML.Nlft.Core.Tests", "Microsoft.ML.Nlft.Reliability", "Microsoft.ML.Nlft");
        return code.Loaded(typeof(CoverageTests).Assembly).GetType(typeof(CoverageTests).FullName!)!
            .GetMethod(nameof(Count), BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<Func<string, int, string>>()(target, seed);
    }

    /// <summary>Feeds a reader of the instrumented library and returns what it reached.</summary>
    public static string Count(string target, int seed)
    {
        Assert.IsTrue(InstrumentedCode.IsRunning);
        using var folder = new TemporaryFolder();
        var report = new Fuzzer(Targets.All.Single(one => one.Name == target), seed, folder.Path, new Coverage()).Run(150);
        Assert.IsGreaterThan(200, report.Edges!.Value);
        return $"{report.Accepted} accepted, {report.Refusals.Count} refusals, {report.Edges} edges, "
            + $"{report.Corpus.Count} in the corpus, {report.Corpus.Sum(input => input.Length)} bytes";
    }

    /// <summary>A reader that reaches one more edge for each further letter of a word, and fails at its end.</summary>
    private static Target Behind(string word) => new("spy", "a.txt", ["????"u8.ToArray()], Bytes.Mutate, folder =>
    {
        var letters = Common(File.ReadAllText(Path.Combine(folder, "a.txt"), Encoding.Latin1), word);
        for (var i = 0; i <= letters; i++) Touch(i);
        if (letters == word.Length) throw new InvalidOperationException("reached");
    });

    private static unsafe void Touch(int edge) => Trace.SharedMem[edge]++;

    private static int Common(string a, string b) => a.AsSpan().CommonPrefixLength(b);
}
