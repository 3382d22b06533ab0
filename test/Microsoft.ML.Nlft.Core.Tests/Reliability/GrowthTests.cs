using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Tests.ChatTemplates;
using Microsoft.ML.Nlft.Tests.ModelFiles;
using Microsoft.ML.Nlft.Tests.Reliability.Growth;
using Microsoft.ML.Nlft.Tests.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>
/// Feeds N, 2N, 4N and 8N entries to the lists of readers, and characters to the steps of texts. What is allocated and what is computed grow no
/// faster than n log n. So does the peak of the memory: nothing lives that was not allocated.
/// </summary>
[TestClass]
public sealed class GrowthTests
{
    private const int Smallest = 500, Doublings = 3;
    private const double MostPerDoubling = 2.6; // n log n gives 2.2 at these sizes, a quadratic part 4
    private const long Free = 1 << 16, FreeOperations = 1 << 11; // what a case may cost whatever its size

    private static InstrumentedCode? s_code;
    private static Func<string, int, long>? s_operations;

    public static IEnumerable<object[]> Cases => GrowthCase.All.Select(growth => new object[] { growth.Name });

    [ClassInitialize]
    public static void Instrument(TestContext _)
    {
        s_code = new("Microsoft.ML.Nlft.Core.Tests", "Microsoft.ML.Nlft.TestKit", "Microsoft.ML.Nlft.Reliability", "Microsoft.ML.Nlft");
        s_operations = GrowthCost.In(s_code);
    }

    [ClassCleanup]
    public static void Remove() => s_code?.Dispose();

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Read_TwiceTheEntries_CostsAboutTwiceAsMuch(string name)
    {
        var growth = GrowthCase.All.Single(one => one.Name == name);
        int[] sizes = [.. Enumerable.Range(0, Doublings + 1).Select(doubling => Smallest << doubling)];
        GrowthCost.Bytes(growth, Smallest / 2); // prepares code and tables
        RequireLinear("bytes allocated", [.. sizes.Select(n => GrowthCost.Bytes(growth, n))], Free);
        s_operations!(name, Smallest / 2);
        RequireLinear("operations", [.. sizes.Select(n => s_operations(name, n))], FreeOperations);
    }

    /// <summary>Every filter and every step of a tokenizer that the library has is among the cases.</summary>
    [TestMethod]
    public void Cases_EveryFilterAndStep_IsThere()
    {
        var unknown = TemplateFixture.Refuse("{{ 1|nothing }}");
        foreach (var filter in Regex.Matches(unknown.Expected, "[a-z]{1,}(?=[,]|$)").Select(match => match.Value))
            Assert.IsTrue(GrowthCase.All.Any(growth => growth.Name.Contains("|" + filter, StringComparison.Ordinal)), filter);
        foreach (var key in (string[])["normalizer", "pre_tokenizer", "decoder"])
        {
            using var folder = new TokenizerFolder().Model("a b").Set(key, """{"type":"?"}""");
            var known = Assert.ThrowsExactly<NlftException>(() => folder.Load()).Expected;
            foreach (var step in Regex.Matches(known, "[A-Z]\\w+").Select(match => match.Value))
                Assert.IsTrue(TextGrowth.Steps.Any(one => one.Key == key && one.Step.Contains($"\"{step}\"", StringComparison.Ordinal)), step);
        }
    }

    [TestMethod]
    public void Resolve_TwiceTheLayers_CompilesNoExpressionAgain()
    {
        using var folder = new TemporaryFolder();
        var model = ModelConfiguration.Load(folder.Write("config.json", ModelConfigurationTests.Config()));
        var lora = new LoraConfiguration
        {
            TargetPattern = "model\\.layers\\.\\d+\\.mlp\\.(up|down)_proj",
            RankPattern = Enumerable.Range(0, 50).ToDictionary(i => $"layers\\.{i}\\d*\\.mlp\\.up_proj", i => 2 + i),
        };
        var resolve = new GrowthCase("layers", (_, n) => () => (lora with { Dropout = 0.1 }).Resolve(model with { LayerCount = n / 20 }));
        GrowthCost.Bytes(resolve, Smallest);
        RequireLinear("bytes", [.. Enumerable.Range(0, 4).Select(doubling => GrowthCost.Bytes(resolve, 2 * Smallest << doubling))], Free);
    }

    /// <summary>The measure sees what grows with the square.</summary>
    [TestMethod]
    public void Bytes_QuadraticWork_GrowsByFour()
    {
        var growth = new GrowthCase("square", (_, n) => () => Enumerable.Range(0, n).Select(_ => new byte[n]).ToList());
        var (small, large) = (GrowthCost.Bytes(growth, Smallest), GrowthCost.Bytes(growth, 2 * Smallest));
        Assert.IsGreaterThan(3.5 * small, large);
    }

    private static void RequireLinear(string what, long[] costs, long free)
    {
        for (var i = 1; i < costs.Length; i++)
            Assert.IsLessThan(MostPerDoubling * Math.Max(costs[i - 1], 0) + free, costs[i], $"{what}: {string.Join(", ", costs)}");
    }
}
