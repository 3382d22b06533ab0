using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TestKit;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>A LoRA adapter as a GGUF file changes the model in llama.cpp as it does here.</summary>
[TestClass]
public sealed class AdapterTests
{
    public static IEnumerable<object[]> Configurations =>
    [
        ["all layers", new LoraConfiguration { Rank = 4, Alpha = 6, TargetPattern = LoraConfiguration.AllLinear }],
        ["queries and keys", new LoraConfiguration { Rank = 2, Alpha = 8, TargetModules = ["q_proj", "k_proj"] }],
        ["rank-stabilized", new LoraConfiguration { Rank = 9, Alpha = 3, UseRankStabilizedScaling = true, TargetModules = ["v_proj", "down_proj"] }],
        [
            "patterns",
            new LoraConfiguration
            {
                Rank = 4, Alpha = 4, RankPattern = new Dictionary<string, int> { ["q_proj"] = 2 },
                AlphaPattern = new Dictionary<string, double> { ["up_proj"] = 20 }, TargetModules = ["q_proj", "up_proj"],
            },
        ],
        ["one layer", new LoraConfiguration { Rank = 8, Alpha = 16, Layers = [1], TargetModules = ["o_proj", "gate_proj"] }],
    ];

    [TestMethod]
    [DynamicData(nameof(Configurations))]
    public void Score_SampleModelWithAdapter_EqualsOurs(string name, LoraConfiguration configuration)
    {
        using var folder = ModelFolder.Open(WrittenModel.Sample);
        Compare(folder, WrittenModel.RandomAdapter(folder.Configuration, configuration), name);
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("qwen2")]
    [DataRow("qwen3")]
    [DataRow("granite")]
    [DataRow("phi")]
    [DataRow("gpt_neox")]
    [DataRow("gpt2")]
    public void Score_ArchitectureWithAdapter_EqualsOurs(string name)
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "transformers", name))) Assert.Inconclusive("the shared test data are not there");
        using var folder = ModelFolder.Open(TinyModels.WithTokenizer(Fixtures.Path_("golden", "transformers", name)));
        Compare(folder, WrittenModel.RandomAdapter(folder.Configuration), name);
    }

    /// <summary>The adapters of these models leave the experts alone, or are for a context that llama.cpp takes as a whole.</summary>
    [TestMethod]
    [DataRow("mixtral, many experts", "q_proj k_proj v_proj o_proj gate")]
    [DataRow("qwen3_moe", "q_proj k_proj v_proj o_proj gate")]
    [DataRow("phi3", "qkv_proj o_proj gate_up_proj down_proj")]
    public void Score_GeneratedModelWithAdapter_EqualsOurs(string name, string modules)
    {
        var configuration = (ModelConfiguration)LogProbabilityTests.Generated.Single(row => (string)row[0] == name)[1];
        using var folder = WrittenModel.Generate(configuration);
        Compare(folder, WrittenModel.RandomAdapter(configuration, new() { Rank = 3, Alpha = 6, TargetModules = modules.Split(' ') }), name);
    }

    private static void Compare(ModelFolder folder, LoraAdapter adapter, string what)
    {
        using var theirs = new LlamaCppModel(WrittenModel.Write(folder, GgufType.F32), WrittenModel.WriteAdapter(folder, adapter));
        var length = Math.Min(40, theirs.ContextLength);
        var ids = Enumerable.Range(0, length).Select(i => i * 37 % (folder.Configuration.VocabularySize - 1) + 1).ToArray();
        var (scores, logits) = theirs.Score(ids, 1);
        var sequence = new TokenSequence(ids, 1);
        var bound = RoundingBound.Of(RoundingBound.TypeOf(folder.Configuration), folder.Configuration, logits);
        Assert.IsLessThan(bound, WrittenModel.Distance(WrittenModel.Score(folder.Path, sequence, adapter), scores), what);
        Assert.IsGreaterThan(10 * bound, WrittenModel.Distance(WrittenModel.Score(folder.Path, sequence), scores), "the adapter does something");
    }
}
