using System.Globalization;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using JsonMutation = Microsoft.ML.Nlft.Reliability.Fuzzing.Json;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>Runs the harness of <c>./build.sh fuzz</c> for NLFT_FUZZ_SECONDS over all readers, 60 by default.</summary>
[TestClass]
public sealed class FuzzTests
{
    private const double DefaultSeconds = 60;

    /// <summary>Enough to find inputs that are accepted, of which some readers see one in twenty, on a machine of any speed.</summary>
    private const long LeastInputs = 300;

    public static IEnumerable<object[]> AllTargets => Targets.All.Select(target => new object[] { target.Name });

    [TestMethod]
    [DynamicData(nameof(AllTargets))]
    [TestCategory("Fuzz")]
    public void Read_MutatedFiles_AcceptsOrRefuses(string name)
    {
        var all = double.TryParse(Environment.GetEnvironmentVariable("NLFT_FUZZ_SECONDS"), CultureInfo.InvariantCulture, out var given) ? given
            : DefaultSeconds;
        var folder = Directory.CreateTempSubdirectory("nlft-fuzz-");
        try
        {
            var target = Targets.All.Single(target => target.Name == name);
            var report = new Fuzzer(target, seed: 7, folder.FullName)
                .Run(long.MaxValue, TimeSpan.FromSeconds(all / Targets.All.Count), maximumFailures: 1, least: LeastInputs);
            foreach (var (fault, input) in report.Failures) Assert.Fail($"{fault}\n{Convert.ToBase64String(input)}");
            Assert.IsGreaterThan(0, report.Accepted);
            // A library's reader may have one refusal for all that it finds.
            Assert.IsGreaterThan(target.Library is null ? 1 : 0, report.Refusals.Count);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [TestMethod]
    public void Run_SameSeed_GeneratesTheSameInputs()
    {
        string Inputs(int seed)
        {
            using var folder = new TemporaryFolder();
            var seen = new List<string>();
            var target = new Target("spy", "a.json", ["{\"a\": [1, 2]}"u8.ToArray()], JsonMutation.Mutate, path =>
                seen.Add(Convert.ToHexString(File.ReadAllBytes(Path.Combine(path, "a.json")))));
            new Fuzzer(target, seed, folder.Path).Run(50);
            return string.Join(' ', seen);
        }
        Assert.AreEqual(Inputs(1), Inputs(1));
        Assert.AreNotEqual(Inputs(1), Inputs(2));
    }

    /// <summary>The harness detects failures.</summary>
    [TestMethod]
    public void Run_FailingReader_IsReported()
    {
        FuzzReport Report(Action<string> read)
        {
            using var folder = new TemporaryFolder();
            return new Fuzzer(new Target("bad", "a.json", ["{}"u8.ToArray()], JsonMutation.Mutate, read), 1, folder.Path).Run(3, maximumFailures: 1);
        }
        StringAssert.StartsWith(Report(_ => throw new NullReferenceException("mine")).Failures[0].Fault,
            "a seed is refused or fails: NullReferenceException: mine");
        StringAssert.Contains(Report(_ => GC.KeepAlive(new byte[64 << 20])).Failures[0].Fault, "bytes were allocated for a file of 2");
    }
}
