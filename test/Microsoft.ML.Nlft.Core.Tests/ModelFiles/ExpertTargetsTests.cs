using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Adapters of experts: which settings name them, what their factors are called, how they are merged.</summary>
[TestClass]
public sealed class ExpertTargetsTests
{
    private const string Layer = "model.layers.0.mlp.";
    private static readonly LoraConfiguration s_plain = new() { Rank = 3, Alpha = 6, Dropout = 0 };

    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("mixtral")]
    [DataRow("qwen3_moe")]
    public void For_AllLinear_GivesTheSettingsThatPeftWrites(string name)
    {
        using var golden = new TransformersGolden(name);
        var expected = golden.LoadAdapter("all-linear");
        var created = LoraAdapter.Create(s_plain with { TargetPattern = LoraConfiguration.AllLinear }, golden.Folder.Configuration, seed: 1);
        var (wanted, found) = (expected.Configuration, created.Configuration);
        Assert.IsNull(found.TargetPattern);
        CollectionAssert.AreEquivalent(wanted.TargetModules.ToArray(), found.TargetModules.ToArray());
        CollectionAssert.AreEquivalent(wanted.TargetParameters.ToArray(), found.TargetParameters.ToArray());
        CollectionAssert.AreEqual(wanted.RankPattern.ToArray(), found.RankPattern.ToArray());
        CollectionAssert.AreEqual(wanted.AlphaPattern.ToArray(), found.AlphaPattern.ToArray());
        CollectionAssert.AreEquivalent(expected.Factors.Select(Text).ToArray(), created.Factors.Select(Text).ToArray());
        Assert.AreSame(found, found.For(golden.Folder.Configuration), "Settings that name parameters stay as they are.");

        static string Text(NamedTensor factor) => $"{factor.Name} {string.Join(" x ", factor.Shape)}";
    }

    [TestMethod]
    [DataRow(new[] { "gate_proj", "up_proj", "down_proj" }, "down_proj,gate_up_proj", "")]
    [DataRow(new[] { "w1", "w2", "w3", "q_proj" }, "down_proj,gate_up_proj", "q_proj")]
    [DataRow(new[] { "down_proj" }, "down_proj", "")]
    [DataRow(new[] { "mlp.gate", "v_proj" }, "gate.weight", "v_proj")]
    [DataRow(new[] { "mlp.gate_proj", "w3" }, "gate_up_proj", "")]
    [DataRow(new[] { "gate_up_proj", "q_proj" }, "gate_up_proj", "q_proj")]
    [DataRow(new[] { "q_proj" }, "", "q_proj")]
    public void For_NamesOfProjections_BecomeParametersOfExperts(string[] names, string parameters, string modules)
    {
        var lora = (s_plain with { TargetModules = names }).For(TinyModels.Mixture);
        Assert.AreEqual(parameters, string.Join(",", lora.TargetParameters));
        Assert.AreEqual(modules, string.Join(",", lora.TargetModules));
        var isFused = parameters.Contains("gate_up_proj", StringComparison.Ordinal) && !names.Contains("gate_up_proj");
        Assert.AreEqual(isFused, lora.RankPattern.Count == 1, "Two layers in one parameter have twice the rank.");
        var dense = s_plain with { TargetModules = names };
        Assert.AreSame(dense, dense.For(TinyModels.Configuration));
    }

    [TestMethod]
    [DataRow("down_proj,gate_up_proj", "experts.gate_up_proj", "experts.base_layer", 3)]
    [DataRow("down_proj,gate_up_proj", "experts.down_proj", "experts", 3)]
    [DataRow("gate_up_proj", "experts.gate_up_proj", "experts", 3)]
    [DataRow("mlp.experts.down_proj", "experts.down_proj", "experts", 3)]
    [DataRow("layers.0.mlp.experts.down_proj", "experts.down_proj", "experts", 3)]
    [DataRow("gate.weight", "gate", "gate", 5)]
    [DataRow("gate_proj.weight", "gate_proj", "gate_proj", 3)]
    [DataRow("gate_up_proj", "experts.down_proj", "", 0)]
    [DataRow("layers.1.mlp.experts.down_proj", "experts.down_proj", "", 0)]
    [DataRow("up_proj", "experts.gate_up_proj", "", 0)]
    public void Resolve_Parameters_NamesFactorsByTheirWrapper(string parameters, string module, string factors, int rank)
    {
        var lora = s_plain with
        {
            TargetModules = [], TargetParameters = parameters.Split(','), RankPattern = new Dictionary<string, int> { [@"gate\.weight"] = 5 },
        };
        var target = lora.Resolve(Layer + module);
        Assert.AreEqual(rank, target?.Rank ?? 0);
        Assert.AreEqual(factors, target?.Factors[Layer.Length..] ?? "");
    }

    [TestMethod]
    public void Resolve_SettingsThatExpertsCannotHave_AreRefused()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("option TargetModules: found gate_proj, q_proj; expected gate_proj and up_proj, or none of the two. Name both: the experts' "
            + "gate and up are adapted together.",
            folder.Refusal(() => (s_plain with { TargetModules = ["gate_proj", "q_proj"] }).Resolve(TinyModels.Mixture)));
        Assert.AreEqual("option Dropout: found 0.05; expected 0 beside TargetParameters (down_proj). Set it to 0: PEFT has no dropout for "
            + "parameters.",
            folder.Refusal(() => new LoraConfiguration { TargetModules = ["q_proj"], TargetParameters = ["down_proj"] }.Resolve(TinyModels.Mixture)));
        Assert.AreEqual("option UseDora: found true; expected false beside TargetParameters (down_proj). Adapt linear layers alone: PEFT has no "
            + "magnitudes for parameters.",
            folder.Refusal(() => (s_plain with { TargetModules = ["down_proj"], UseDora = true }).Resolve(TinyModels.Mixture)));
        Assert.AreEqual("option LoraBias: found true; expected false beside TargetParameters (down_proj). Adapt linear layers alone: PEFT has no "
            + "such biases for parameters.",
            folder.Refusal(() => (s_plain with { TargetModules = ["down_proj"], LoraBias = true }).Resolve(TinyModels.Mixture)));
    }

    [TestMethod]
    public void For_DefaultSettings_AdaptExpertsWithoutDropout()
    {
        var lora = new LoraConfiguration();
        Assert.AreEqual(0, lora.For(TinyModels.Mixture).Dropout);
        CollectionAssert.AreEqual(new[] { "experts.base_layer", "experts" },
            lora.Resolve(TinyModels.Mixture).Select(target => target.Factors[Layer.Length..]).ToArray(),
            "The second layer is dense: as in PEFT, it is not adapted.");
        Assert.AreEqual(0.05, (lora with { TargetModules = ["q_proj"] }).For(TinyModels.Mixture).Dropout, "Linear layers have dropout.");
    }

    [TestMethod]
    public void Load_FactorsOfAnotherWrapper_AreRefused()
    {
        using var folder = new TemporaryFolder();
        var adapter = LoraAdapter.Create(s_plain with { TargetModules = ["gate_proj", "up_proj"] }, TinyModels.Mixture, seed: 1);
        adapter.Save(folder.File("adapter"));
        Assert.AreEqual(2, LoraAdapter.Load(folder.File("adapter")).Factors.Count);
        NamedTensor[] inner = [.. adapter.Factors.Select(factor =>
            factor with { Name = factor.Name.Replace("experts", "experts.base_layer", StringComparison.Ordinal) })];
        StringAssert.Contains(folder.Refusal(() => new LoraAdapter(adapter.Configuration, inner).Save(folder.File("inner"))),
            "experts.base_layer.lora_A.weight\": found a factor of a module that target_modules does not name");
        NamedTensor[] shorter = [.. adapter.Factors.Select(factor => factor.Name.EndsWith('A')
            ? factor with { Shape = [factor.Shape[0] - 1, factor.Shape[1]], Values = factor.Values[..^factor.Shape[1]] } : factor)];
        StringAssert.Contains(folder.Refusal(() => new LoraAdapter(adapter.Configuration, shorter).Save(folder.File("short"))),
            "found shape [29, 12]");
    }

    [TestMethod]
    [DataRow("model.layers.0.block_sparse_moe.experts.0.w1")]
    [DataRow("model.layers.0.block_sparse_moe.experts.7.w2")]
    [DataRow("model.layers.1.mlp.experts.0.gate_proj")]
    [DataRow("model.layers.1.mlp.experts.127.up_proj")]
    [DataRow("model.layers.12.mlp.experts.3.down_proj")]
    public void Load_FactorsOfEveryExpertByItself_AreRefused(string module)
    {
        using var folder = new TemporaryFolder();
        NamedTensor[] factors = [new(module + ".lora_A", [3, 4], new float[12]), new(module + ".lora_B", [4, 3], new float[12])];
        var adapter = new LoraAdapter(s_plain with { TargetModules = [module.Split('.')[^1]] }, factors);
        StringAssert.EndsWith(folder.Refusal(() => adapter.Save(folder.Path)), "found a factor of one expert, as transformers 4 has them; expected "
            + "factors of all experts together (target_parameters). Load it with PEFT on transformers 5 and save it again with save_pretrained.");
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("mixtral", "all-linear")]
    [DataRow("mixtral", "experts")]
    [DataRow("mixtral", "attention")]
    [DataRow("qwen3_moe", "all-linear")]
    [DataRow("qwen3_moe", "experts")]
    [DataRow("qwen3_moe", "attention")]
    public void MergeInto_AdapterOfExperts_GivesTheLogProbabilitiesOfPeft(string name, string adapter)
    {
        using var golden = new TransformersGolden(name);
        using var folder = new TemporaryFolder();
        golden.LoadAdapter(adapter).MergeInto(golden.Folder, folder.File("merged"));
        using var merged = ModelFolder.Open(folder.File("merged"));
        using var model = new ManagedEngine(2).Load(new() { Folder = merged });
        var expected = golden.Adapter(adapter).GetProperty("merged").Doubles("log_probs");
        NumberAssert.AreClose(expected, model.Score([golden.Sequences[0].Sequence])[0].LogProbabilities, 1e-4, $"{name}, {adapter}");
    }

    [TestMethod]
    [DataRow(1, 6)]
    [DataRow(2, 3)]
    [DataRow(3, 4)]
    [DataRow(5, 2)]
    [DataRow(4, 1)]
    public void ByExpert_AnyStack_PutsTheColumnsOfAnExpertTogether(int experts, int rank)
    {
        const int Outputs = 7;
        float[] file = [.. Enumerable.Range(0, Outputs * rank * experts).Select(i => (float)i)];
        var values = StackedFactor.ByExpert(file, experts);
        for (var e = 0; e < experts; e++)
        {
            for (var o = 0; o < Outputs; o++)
                for (var k = 0; k < rank; k++) Assert.AreEqual(file[(o * rank + k) * experts + e], values[(e * Outputs + o) * rank + k]);
        }
        CollectionAssert.AreEqual(file, StackedFactor.InFile(values, experts));
    }
}
