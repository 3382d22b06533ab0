using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.Tests.Generation;
using Microsoft.ML.Nlft.Tests.OnPolicy;
using Microsoft.ML.Nlft.Tests.Training;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Says how many cases of every file of golden/objectives the tests take, and what the rest has no counterpart for in the library.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class TakenVectorsTests
{
    private static readonly (string File, Func<IEnumerable<object[]>> Taken, string Others)[] s_files =
    [
        ("sft.json", () => LikelihoodGoldenTests.SupervisedCases, "label smoothing"),
        ("dft.json", () => LikelihoodGoldenTests.DynamicCases, "a weight with a gradient, wrong on purpose"),
        ("kl.json", () => DivergenceGoldenTests.Cases, "values that are no number, the estimate by the sampled token"),
        ("nlft.json", () => NaturalLanguageGoldenTests.Cases, ""),
        ("schedules.json", () => ScheduleGoldenTests.Cases, "other schedules, the warm-up of a run of one step"),
        ("optimisers.json", () => [.. AdamWGoldenTests.Cases, .. AdamWGoldenTests.ClippingCases], "other optimizers, the largest entry as the norm"),
        ("sampling.json", () => SamplingGoldenTests.Cases, "typical_p, epsilon, eta, top_h, n-grams"),
        ("metrics.json", () => MetricGoldenTests.Cases, "pass@k"),
        ("dpo.json", () => [], "preferences"),
        ("ppo.json", () => [.. PolicyOptimizationGoldenTests.Advantages, .. PolicyOptimizationGoldenTests.Whitened,
            .. PolicyOptimizationGoldenTests.Losses], "the rewards of TRL, which stand one position later"),
        ("grpo.json", () => [], "rewards of groups"),
    ];

    [TestMethod]
    public void Files_ThatHaveACounterpart_HaveCasesThatAreTaken()
    {
        var present = s_files.Where(file => File.Exists(Fixtures.Path_("golden", "objectives", file.File))).ToArray();
        if (present.Length == 0) Assert.Inconclusive($"no golden/objectives under {Fixtures.Root}");
        var lines = new List<string>();
        foreach (var (file, taken, others) in present)
        {
            var (count, all) = (taken().Count(), ObjectiveGoldens.Part(file, "cases")!.Value.GetArrayLength());
            lines.Add($"{file} {count} of {all}{(others == "" ? "" : $" (not {others})")}");
            Assert.AreEqual(file is "dpo.json" or "grpo.json", count == 0, file);
        }
        Console.WriteLine(string.Join("; ", lines));
    }
}
