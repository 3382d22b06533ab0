using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class LoraAdapterTests
{
    private const string Up = "model.layers.0.mlp.up_proj";
    private const string Retrain = "Use an adapter with LoRA factors on the linear layers of the decoder only, or merge it into its base model with "
        + "PEFT.";
    private const string Merge = "Merge the adapter into its base model with PEFT, or train one without this setting.";
    private const string Fuse = "Fuse it into its model with mlx_lm.fuse and use that model, or train the adapter here: mlx-lm transposes and scales "
        + "its factors otherwise.";
    private const string Correct = "Correct the value, or take the file that belongs to the model.";
    private const string Incomplete = "Save the adapter again with PEFT's save_pretrained, or download the whole folder again.";

    private static NamedTensor[] Factors(string module = Up, int rank = 2) =>
        [new(module + ".lora_A", [rank, 3], [.. Enumerable.Range(0, rank * 3).Select(i => i / 3f)]),
            new(module + ".lora_B", [5, rank], [.. Enumerable.Range(0, rank * 5).Select(i => -i / 7f)])];

    private static LoraConfiguration Configuration { get; } = new() { Rank = 2, Alpha = 4, Dropout = 0, TargetModules = ["up_proj"] };

    [TestMethod]
    public void Save_Configuration_IsWrittenAsPythonWritesIt()
    {
        using var folder = new TemporaryFolder();
        new LoraAdapter(Configuration with { Alpha = 4.5, AlphaPattern = new Dictionary<string, double> { ["layers.1.mlp.up_proj"] = 8 } },
            Factors()).Save(folder.File("adapter"), "models/base");
        Assert.AreEqual("""
            {
              "alpha_pattern": {
                "layers.1.mlp.up_proj": 8
              },
              "base_model_name_or_path": "models/base",
              "bias": "none",
              "fan_in_fan_out": false,
              "inference_mode": true,
              "init_lora_weights": true,
              "layers_to_transform": null,
              "lora_alpha": 4.5,
              "lora_dropout": 0.0,
              "modules_to_save": null,
              "peft_type": "LORA",
              "r": 2,
              "rank_pattern": {},
              "revision": null,
              "target_modules": [
                "up_proj"
              ],
              "task_type": "CAUSAL_LM",
              "use_dora": false,
              "use_rslora": false
            }
            """.ReplaceLineEndings("\n"), File.ReadAllText(folder.File("adapter/adapter_config.json")));
        using var file = SafetensorsFile.Open(folder.File("adapter/adapter_model.safetensors"));
        Assert.AreEqual("pt", file.Metadata["format"]);
        CollectionAssert.AreEqual(new[] { $"base_model.model.{Up}.lora_A.weight", $"base_model.model.{Up}.lora_B.weight" },
            file.Entries.Select(entry => entry.Name).ToArray());
        CollectionAssert.AreEqual(new[] { "adapter/adapter_config.json", "adapter/adapter_model.safetensors" },
            folder.Files().Select(name => name.Replace('\\', '/')).ToArray());
    }

    public static IEnumerable<object[]> Configurations =>
    [
        [Configuration],
        [Configuration with { TargetPattern = LoraConfiguration.AllLinear }],
        [Configuration with { TargetPattern = ".*\\.(up|down)_proj" }],
        [Configuration with { TargetPattern = LoraConfiguration.AllLinear, ExcludedPattern = ".*self_attn.*" }],
        [Configuration with { UseRankStabilizedScaling = true, Dropout = 0.1, ExcludedModules = ["q_proj"], Layers = [0, 2] }],
        [Configuration with { Rank = 16, RankPattern = new Dictionary<string, int> { ["up_proj"] = 2, ["layers\\.[12]\\.mlp.up_proj"] = 4 } }],
    ];

    [TestMethod]
    [DynamicData(nameof(Configurations))]
    public void SaveAndLoad_Adapter_SurvivesTheRoundTrip(LoraConfiguration configuration)
    {
        using var folder = new TemporaryFolder();
        new LoraAdapter(configuration, Factors()).Save(folder.Path, "base");
        var read = LoraAdapter.Load(folder.Path);
        Assert.AreEqual("base", read.BaseModel);
        foreach (var (expected, actual) in Factors().Zip(read.Factors))
        {
            Assert.AreEqual(expected.Name, actual.Name);
            CollectionAssert.AreEqual(expected.Shape, actual.Shape);
            CollectionAssert.AreEqual(expected.Values, actual.Values);
        }
        Assert.AreEqual(configuration.Resolve(Up), read.Configuration.Resolve(Up));
        read.Save(folder.File("again"));
        foreach (var name in new[] { "adapter_config.json", "adapter_model.safetensors" })
            CollectionAssert.AreEqual(File.ReadAllBytes(folder.File(name)), File.ReadAllBytes(folder.File($"again/{name}")));
    }

    /// <summary>PEFT's matching: a list by whole names from the end, a text as an expression for the whole path, patterns from the end.</summary>
    [TestMethod]
    [DataRow("""{"target_modules": ["up_proj"]}""", "model.layers.0.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ["p_proj"]}""", "model.layers.0.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": ["mlp.up_proj"]}""", "model.layers.0.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ["model.layers.1.mlp.up_proj"]}""", "model.layers.0.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": "up_proj"}""", "model.layers.0.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": ".*up_proj"}""", "model.layers.0.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ".*\\.[01]\\..*(q|up)_proj"}""", "model.layers.2.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": "all-linear"}""", "model.layers.0.self_attn.o_proj", 8, 1.0)]
    [DataRow("""{"target_modules": "All-Linear"}""", "lm_head", 0, 0.0)]
    [DataRow("""{}""", "model.layers.0.self_attn.v_proj", 8, 1.0)]
    [DataRow("""{}""", "model.layers.0.self_attn.k_proj", 0, 0.0)]
    [DataRow("""{"target_modules": ["up_proj"], "exclude_modules": ["layers.1.mlp.up_proj"]}""", "model.layers.1.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": "all-linear", "exclude_modules": ".*\\.1\\.mlp\\..*"}""", "model.layers.1.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": "all-linear", "exclude_modules": "mlp"}""", "model.layers.1.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ["up_proj"], "layers_to_transform": [1, 3]}""", "model.layers.3.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ["up_proj"], "layers_to_transform": 1, "layers_pattern": "layers"}""", "model.layers.3.mlp.up_proj", 0, 0.0)]
    [DataRow("""{"target_modules": ["up_proj"], "layers_to_transform": []}""", "model.layers.3.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ["up_proj"], "r": 4, "lora_alpha": 12}""", "model.layers.0.mlp.up_proj", 4, 3.0)]
    [DataRow("""{"target_modules": ["up_proj"], "r": 4, "lora_alpha": 12, "use_rslora": true}""", "model.layers.0.mlp.up_proj", 4, 6.0)]
    [DataRow("""{"target_modules": ["up_proj"], "rank_pattern": {"up_proj": 2}}""", "model.layers.0.mlp.up_proj", 2, 4.0)]
    [DataRow("""{"target_modules": ["up_proj"], "rank_pattern": {"p_proj": 2}}""", "model.layers.0.mlp.up_proj", 8, 1.0)]
    [DataRow("""{"target_modules": ["up_proj"], "rank_pattern": {"layers.0": 2}}""", "model.layers.0.mlp.up_proj", 8, 1.0)]
    [DataRow("""
        {"target_modules": ["up_proj"], "rank_pattern": {"layers\\.[0-1]\\.mlp\\.up_proj": 2, "up_proj": 3}, "alpha_pattern": {"up_proj": 5}}
        """, "model.layers.1.mlp.up_proj", 2, 2.5)]
    public void Resolve_Module_IsWhatPeftResolves(string settings, string module, int rank, double scaling)
    {
        using var folder = new TemporaryFolder();
        var (configuration, _) = LoraConfigurationJson.Load(folder.Write("adapter_config.json", Settings(settings)));
        var target = configuration.Resolve(module);
        Assert.AreEqual(rank, target?.Rank ?? 0);
        Assert.AreEqual(scaling, target?.Scaling ?? 0);
    }

    [TestMethod]
    public void Load_MissingSettings_TakePeftsDefaults()
    {
        using var folder = new TemporaryFolder();
        var (configuration, baseModel) = LoraConfigurationJson.Load(folder.Write("adapter_config.json", """{"peft_type": "LORA"}"""));
        Assert.AreEqual((8, 8.0, 0.0, false, null),
            (configuration.Rank, configuration.Alpha, configuration.Dropout, configuration.UseRankStabilizedScaling, baseModel));
        CollectionAssert.AreEqual(new[] { "q_proj", "v_proj" }, configuration.TargetModules.ToArray());
    }

    [TestMethod]
    public void Load_SettingsThatChangeNothing_AreAccepted()
    {
        using var folder = new TemporaryFolder();
        LoraConfigurationJson.Load(folder.Write("adapter_config.json", Settings("""
            {"use_dora": false, "bias": "none", "modules_to_save": [], "layer_replication": null, "loftq_config": {},
                "megatron_core": "megatron.core", "eva_config": {"rho": 2.0},
             "init_lora_weights": "gaussian", "fan_in_fan_out": true, "qalora_group_size": 16, "auto_mapping": null, "peft_version": "0.19.0",
                 "trainable_token_indices": null, "use_bdlora": null}
            """)));
    }

    private static string Settings(string changes)
    {
        var settings = new JsonObject { ["peft_type"] = "LORA" };
        foreach (var (key, value) in JsonNode.Parse(changes)!.AsObject()) settings[key] = value?.DeepClone();
        return settings.ToJsonString();
    }

    public static IEnumerable<object[]> Refused =>
    [
        ["""{"peft_type": "IA3"}""", "\"peft_type\": found \"IA3\"; expected \"LORA\". Use a LoRA adapter."],
        ["""{"peft_type": null}""", "\"peft_type\": found null; expected \"LORA\". Use a LoRA adapter."],
        ["""{"task_type": "SEQ_CLS"}""", "\"task_type\": found \"SEQ_CLS\"; expected \"CAUSAL_LM\". Use an adapter of a causal language model."],
        ["""{"use_dora": 1}""", $"\"use_dora\": found 1; expected true or false. {Correct}"],
        ["""{"bias": "some"}""", $"\"bias\": found \"some\"; expected \"none\", \"lora_only\" or \"all\". {Correct}"],
        ["""{"lora_bias": "all"}""", $"\"lora_bias\": found \"all\"; expected true or false. {Correct}"],
        ["""{"use_dora": true, "lora_bias": true}""", "option LoraBias: found true; expected false beside UseDora. Choose one of the two."],
        ["""{"layer_replication": [[0, 4], [2, 5]]}""", $"\"layer_replication\": found [[0,4],[2,5]]; expected nothing, null or false. {Merge}"],
        ["""{"target_parameters": ["experts.gate_up_proj"], "lora_dropout": 0.5}""",
            "option Dropout: found 0.5; expected 0 beside TargetParameters (experts.gate_up_proj). Set it to 0: PEFT has no "
                + "dropout for parameters."],
        ["""{"trainable_token_indices": [5]}""", $"\"trainable_token_indices\": found [5]; expected nothing, null or false. {Merge}"],
        ["""{"modules_to_save": ["lm_head", "norm"]}""",
            $"\"modules_to_save\": found [\"lm_head\",\"norm\"]; expected embed_tokens, lm_head or both. {Merge}"],
        ["""{"modules_to_save": ["embed_tokens"], "ensure_weight_tying": true}""", "\"ensure_weight_tying\": found true; expected nothing, null or "
            + $"false beside an adapted or saved embedding or output layer. {Merge}"],
        ["""{"alora_invocation_tokens": [1]}""", $"\"alora_invocation_tokens\": found [1]; expected nothing, null or false. {Merge}"],
        ["""{"use_qalora": true}""", $"\"use_qalora\": found true; expected nothing, null or false. {Merge}"],
        ["""{"arrow_config": {"top_k": 3}}""", "\"arrow_config\": found {\"top_k\":3}; expected nothing, null or false. " + Merge],
        ["""{"use_something_new": true}""", $"\"use_something_new\": found true; expected nothing, null or false. {Merge}"],
        ["""{"init_lora_weights": "pissa_niter_4"}""",
            "\"init_lora_weights\": found \"pissa_niter_4\"; expected true, false, \"gaussian\", \"orthogonal\" or \"eva\". Convert the adapter "
                + "with PEFT's path_initial_model_for_weight_conversion: this initialisation changes the base weights."],
        ["""{"layers_pattern": "blocks", "layers_to_transform": [1]}""",
            $"\"layers_pattern\": found \"blocks\"; expected null or \"layers\". {Merge}"],
        ["""{"exclude_modules": 3}""", $"\"exclude_modules\": found 3; expected a list of strings. {Correct}"],
        ["""{"target_modules": "all-linear", "layers_to_transform": [1]}""",
            $"\"layers_to_transform\": found [1]; expected null, as target_modules is a pattern. {Correct}"],
        ["""{"target_modules": ["q_proj", "lm_head"], "use_dora": true}""",
            $"\"target_modules\": found [\"q_proj\",\"lm_head\"]; expected none of embed_tokens and lm_head beside use_dora or lora_bias. {Merge}"],
        ["""{"target_modules": ["model.embed_tokens"], "lora_bias": true}""", "\"target_modules\": found [\"model.embed_tokens\"]; expected none of "
            + $"embed_tokens and lm_head beside use_dora or lora_bias. {Merge}"],
        ["""{"target_modules": []}""", $"\"target_modules\": found []; expected a list of names, a regular expression or \"all-linear\". {Correct}"],
        ["""{"target_modules": ["up_proj", 3]}""", $"\"target_modules\": found [\"up_proj\",3]; expected a list of strings. {Correct}"],
        ["""{"r": 0}""", $"\"r\": found 0; expected an integer from 1 to 65536. {Correct}"],
        ["""{"r": "8"}""", $"\"r\": found \"8\"; expected an integer from -2147483648 to 2147483647. {Correct}"],
        ["""{"lora_alpha": -1}""", $"\"lora_alpha\": found -1; expected a number above 0. {Correct}"],
        ["""{"lora_dropout": 1.0}""", $"\"lora_dropout\": found 1.0; expected a number of at least 0 and below 1. {Correct}"],
        ["""{"rank_pattern": {"up_proj": 0}}""", $"\"rank_pattern.up_proj\": found 0; expected an integer from 1 to 65536. {Correct}"],
        ["""{"alpha_pattern": {"up_proj": null}}""", $"\"alpha_pattern.up_proj\": found null; expected a number. {Correct}"],
    ];

    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void Load_SettingThatCannotBeHonoured_IsRefusedByName(string settings, string expected)
    {
        using var folder = new TemporaryFolder();
        folder.Write("adapter_config.json", Settings(settings));
        Assert.AreEqual($"adapter_config.json, {expected}", folder.Refusal(() => LoraAdapter.Load(folder.Path)));
    }

    [TestMethod]
    public void Load_UnreadableExpression_IsNamed()
    {
        using var folder = new TemporaryFolder();
        folder.Write("adapter_config.json", Settings("""{"target_modules": ".*("}"""));
        StringAssert.StartsWith(folder.Refusal(() => LoraAdapter.Load(folder.Path)),
            "adapter_config.json, option TargetPattern: found \".*(\" (Invalid pattern ");
    }

    public static IEnumerable<object[]> BrokenTensors =>
    [
        [new[] { $"base_model.model.{Up}.lora_A.weight" }, new long[] { 2, 3 },
            $"tensor \"base_model.model.{Up}.lora_B.weight\": found no such factor; expected the counterpart of lora_A. {Incomplete}"],
        [new[] { $"base_model.model.{Up}.lora_B.weight" }, new long[] { 3, 2 },
            $"tensor \"base_model.model.{Up}.lora_A.weight\": found no such factor; expected the counterpart of lora_B. {Incomplete}"],
        [new[] { $"base_model.model.{Up}.lora_A.weight" }, new long[] { 4, 3 },
            $"tensor \"base_model.model.{Up}.lora_A.weight\": found shape [4, 3]; expected [2, inputs], as the rank is 2. Correct r or "
                + "rank_pattern, or take the file that belongs to the settings."],
        [new[] { $"base_model.model.{Up}.lora_B.weight" }, new long[] { 5, 3 },
            $"tensor \"base_model.model.{Up}.lora_B.weight\": found shape [5, 3]; expected [outputs, 2], as the rank is 2. Correct r or "
                + "rank_pattern, or take the file that belongs to the settings."],
        [new[] { $"base_model.model.{Up}.lora_A.weight" }, new long[] { 6 },
            $"tensor \"base_model.model.{Up}.lora_A.weight\": found shape [6]; expected two sizes above 0. {Incomplete}"],
        [new[] { "base_model.model.lm_head.lora_A.weight" }, new long[] { 2, 3 },
            "tensor \"base_model.model.lm_head.lora_A.weight\": found a factor of a module that target_modules does not name; expected factors of "
                + "targeted modules. Correct target_modules in adapter_config.json, or take the file that belongs to it."],
        [new[] { "base_model.model.model.layers.0.mlp.gate_proj.lora_A.weight" }, new long[] { 2, 3 },
            "tensor \"base_model.model.model.layers.0.mlp.gate_proj.lora_A.weight\": found a factor of a module that target_modules does not name; "
                + "expected factors of targeted modules. Correct target_modules in adapter_config.json, or take the file that belongs to it."],
        [new[] { "base_model.model.model.embed_tokens.lora_embedding_A" }, new long[] { 2, 3 },
            $"tensor \"base_model.model.model.embed_tokens.lora_embedding_A\": found a factor of an embedding; expected "
                + $"base_model.model.MODULE.lora_A.weight or .lora_B.weight. {Retrain}"],
        [new[] { $"base_model.model.{Up}.lora_magnitude_vector" }, new long[] { 3 },
            $"tensor \"base_model.model.{Up}.lora_magnitude_vector\": found the magnitudes of DoRA; expected "
                + $"base_model.model.MODULE.lora_A.weight or .lora_B.weight. {Retrain}"],
        [new[] { $"base_model.model.{Up}.lora_B.bias" }, new long[] { 5 },
            $"tensor \"base_model.model.{Up}.lora_B.bias\": found a bias of a factor (lora_bias); expected base_model.model.MODULE.lora_A.weight "
                + $"or .lora_B.weight. {Retrain}"],
        [new[] { "base_model.model.model.norm.weight" }, new long[] { 7, 3 },
            "tensor \"base_model.model.model.norm.weight\": found a tensor that is not a LoRA factor; expected "
                + $"base_model.model.MODULE.lora_A.weight or .lora_B.weight. {Retrain}"],
        [new[] { "base_model.model.lm_head.weight" }, new long[] { 7 },
            $"tensor \"base_model.model.lm_head.weight\": found shape [7]; expected two sizes above 0. {Incomplete}"],
        [new[] { $"base_model.model.{Up}.lora_A.default.weight" }, new long[] { 2, 3 },
            $"tensor \"base_model.model.{Up}.lora_A.default.weight\": found a factor with the adapter's name \"default\" in it, as state_dict() "
                + "names it; expected base_model.model.MODULE.lora_A.weight or .lora_B.weight. Save the adapter with PEFT's save_pretrained, which "
                + "leaves the name out."],
        [new[] { $"base_model.model.{Up}.lora_B.my_style.weight" }, new long[] { 5, 2 },
            $"tensor \"base_model.model.{Up}.lora_B.my_style.weight\": found a factor with the adapter's name \"my_style\" in it, as state_dict() "
                + "names it; expected base_model.model.MODULE.lora_A.weight or .lora_B.weight. Save the adapter with PEFT's save_pretrained, which "
                + "leaves the name out."],
        [new[] { $"{Up}.lora_a" }, new long[] { 3, 2 },
            $"tensor \"{Up}.lora_a\": found a factor of mlx-lm; expected base_model.model.MODULE.lora_A.weight or .lora_B.weight. {Fuse}"],
        [new[] { "base_model.model.lm_head.base_layer.weight" }, new long[] { 7, 3 },
            "tensor \"base_model.model.lm_head.base_layer.weight\": found a weight of the base model, stored with the adapter; expected "
                + $"base_model.model.MODULE.lora_A.weight or .lora_B.weight. {Retrain}"],
        [new[] { $"{Up}.lora_A.weight" }, new long[] { 2, 3 },
            $"tensor \"{Up}.lora_A.weight\": found a tensor that is not a LoRA factor; expected base_model.model.MODULE.lora_A.weight or "
                + $".lora_B.weight. {Retrain}"],
    ];

    [TestMethod]
    [DynamicData(nameof(BrokenTensors))]
    public void Load_FactorsNotMatchingSettings_AreRefused(string[] names, long[] shape, string expected)
    {
        using var folder = new TemporaryFolder();
        folder.Write("adapter_config.json", Settings("""{"target_modules": ["up_proj"], "r": 2}"""));
        SafetensorsWriter.Write(folder.File("adapter_model.safetensors"),
            names.Select(name => SafetensorsSource.FromFloats(name, TensorType.F32, shape, () => new float[shape.Aggregate(1L, (a, b) => a * b)])));
        Assert.AreEqual($"adapter_model.safetensors, {expected}", folder.Refusal(() => LoraAdapter.Load(folder.Path)));
    }

    [TestMethod]
    public void Load_MissingEmptyOrOtherFiles_AreNamed()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("adapter_config.json: found no such file; expected PEFT's adapter_config.json. Check the path, or download the file again.",
            folder.Refusal(() => LoraAdapter.Load(folder.Path)));
        folder.Write("adapter_config.json", Settings("{}"));
        Assert.AreEqual("adapter_model.safetensors: found no such file; expected a readable safetensors file. Check the path and the permissions.",
            folder.Refusal(() => LoraAdapter.Load(folder.Path)));
        folder.Write("adapter_model.bin", "PK");
        Assert.AreEqual("adapter_model.bin: found a pickled weight file; expected adapter_model.safetensors. Load it with PEFT and save it again "
            + "with save_pretrained(folder, safe_serialization=True).", folder.Refusal(() => LoraAdapter.Load(folder.Path)));
        SafetensorsWriter.Write(folder.File("adapter_model.safetensors"), []);
        Assert.AreEqual($"adapter_model.safetensors: found no factors; expected lora_A and lora_B of at least one linear layer. {Incomplete}",
            folder.Refusal(() => LoraAdapter.Load(folder.Path)));
    }

    private const string Adapter = "an adapter: adapter_config.json and adapter_model.safetensors";

    [TestMethod]
    [DataRow("step-00000012.safetensors", "a folder of checkpoints (step-00000012.safetensors)",
        "Name the folder that the run saved its adapter to; checkpoints are for resuming the run that wrote them.")]
    [DataRow("checkpoint-500/adapter_config.json", "a folder with adapters in folders below it (checkpoint-500)", "Name one of these folders.")]
    [DataRow("adapters.safetensors", "an adapter of mlx-lm", Fuse)]
    [DataRow("adapters.npz", "an adapter of mlx-lm", Fuse)]
    [DataRow("config.json", "a model folder", "Use it as the model, without an adapter.")]
    [DataRow("adapter_model.safetensors", "adapter_model.safetensors without adapter_config.json",
        "Put the adapter_config.json that belongs to it beside it.")]
    public void Load_FolderThatIsNoAdapter_IsNamed(string file, string found, string remedy)
    {
        using var folder = new TemporaryFolder();
        folder.Write(file, "{}");
        Assert.AreEqual($"FOLDER: found {found}; expected {Adapter}. {remedy}", folder.Refusal(() => LoraAdapter.Load(folder.Path)));
    }

    [TestMethod]
    [DataRow("""{"fine_tune_type": "lora", "num_layers": 4, "lora_parameters": {"rank": 4, "scale": 2.0, "dropout": 0.0}}""")]
    [DataRow("""{"fine_tune_type": "dora", "model": "mlx-community/Llama"}""")]
    [DataRow("""{"lora_parameters": {"keys": ["self_attn.q_proj"], "rank": 8, "alpha": 16}, "lora_layers": 16}""")]
    public void Load_SettingsOfMlx_AreNamed(string settings)
    {
        using var folder = new TemporaryFolder();
        folder.Write("adapter_config.json", settings);
        folder.Write("adapters.safetensors", "");
        Assert.AreEqual($"adapter_config.json: found the settings of an mlx-lm adapter; expected those of an adapter of PEFT. {Fuse}",
            folder.Refusal(() => LoraAdapter.Load(folder.Path)));
    }

    [TestMethod]
    public void Load_PlaceThatIsNoFolder_IsNamed()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual($"nowhere: found no such folder; expected the folder of {Adapter}. Name the folder itself.",
            folder.Refusal(() => LoraAdapter.Load(folder.File("nowhere"))));
        Assert.AreEqual($"adapter_model.safetensors: found a file; expected the folder of {Adapter}. Name the folder itself.",
            folder.Refusal(() => LoraAdapter.Load(folder.Write("adapter_model.safetensors", ""))));
    }

    /// <summary>What can run without backtracking does; what cannot has a second.</summary>
    [TestMethod]
    public void Resolve_PatternThatDoesNotEnd_IsRefused()
    {
        var module = $"model.layers.0.mlp.{new string('a', 40)}!";
        Assert.IsNull(new LoraConfiguration { TargetPattern = "(a+|.)+b" }.Resolve(module));
        var message = Assert.ThrowsExactly<NlftException>(() => new LoraConfiguration { TargetPattern = "(?=m)(a+|.)+b" }.Resolve(module)).Message;
        StringAssert.StartsWith(message, "option TargetPattern: found \"(?=m)(a+|.)+b\" (");
        StringAssert.EndsWith(message, "); expected a regular expression for module paths. Correct the expression.");
        var deep = string.Concat(Enumerable.Repeat("(", 50_000)) + "a" + string.Concat(Enumerable.Repeat(")", 50_000));
        StringAssert.StartsWith(
            Assert.ThrowsExactly<NlftException>(() => new LoraConfiguration { TargetPattern = deep
            + "(" }.Resolve(module)).Message, "option TargetPattern: found ");
    }

    /// <summary>Keys that are names mean what PEFT's expression (.*\.)?(key) means, in which a dot is any character.</summary>
    [TestMethod]
    [DataRow("up_proj", true)]
    [DataRow("mlp.up_proj", true)]
    [DataRow("mlp\\.up_proj", true)]
    [DataRow("model.layers.0.mlp.up_proj", true)]
    [DataRow("mlp.up.proj", true)]
    [DataRow("mlp\\.up\\.proj", false)]
    [DataRow("p_proj", false)]
    [DataRow("lp.up_proj", false)]
    [DataRow(".mlp.up_proj", false)]
    [DataRow("0.mlp.up_proj", true)]
    [DataRow("model.model.layers.0.mlp.up_proj", false)]
    [DataRow("Up_proj", false)]
    [DataRow("up_pro\\w", true)]
    public void Resolve_KeyOfAPattern_MatchesTheEndOfThePath(string key, bool matches)
    {
        const string Module = "model.layers.0.mlp.up_proj";
        Assert.AreEqual(matches, Regex.IsMatch(Module, $"\\A(?:(.*\\.)?({key}))\\z"));
        Assert.AreEqual(matches ? 3 : 8, (Configuration with { Rank = 8, RankPattern = new Dictionary<string, int> { [key] = 3 } })
            .Resolve(Module)!.Rank);
    }

    [TestMethod]
    public void Validate_ManyKeys_AreNamesOrAFewExpressions()
    {
        LoraConfiguration With(int count, string key) =>
            Configuration with { RankPattern = Enumerable.Range(1, count).ToDictionary(i => $"layers.{i}.{key}", i => i) };
        With(20_000, "up_proj").Validate();
        With(256, "up_\\w+").Validate();
        Assert.AreEqual("option RankPattern: found more than 256 regular expressions; expected at most 256, and any number of names. "
            + "Write names of modules, or join the expressions of the same value: (one|other).",
            Assert.ThrowsExactly<NlftException>(With(257, "up_\\w+").Validate).Message);
    }

    public static IEnumerable<object[]> Options =>
    [
        [Configuration with { Rank = 0 }, "option Rank: found 0; expected an integer from 1 to 65536. Choose a value in this range."],
        [Configuration with { Alpha = double.NaN }, "option Alpha: found NaN; expected a finite number above 0. Choose a value in this range."],
        [Configuration with { Dropout = 1 }, "option Dropout: found 1; expected a number of at least 0 and below 1. Set 0 to turn dropout off."],
        [Configuration with { TargetModules = [] },
            "option TargetModules: found an empty list; expected at least one name. Name some of q_proj, k_proj, v_proj, o_proj, gate_proj, "
                + "up_proj, down_proj."],
        [Configuration with { TargetModules = [" "] },
            "option TargetModules: found an empty name; expected names of modules. Choose a value in this range."],
        [Configuration with { ExcludedModules = ["q_proj"], ExcludedPattern = ".*" },
            "option ExcludedPattern: found .*; expected none beside ExcludedModules. Put the names into the pattern."],
        [Configuration with { TargetPattern = "all-linear", Layers = [1, 2] },
            "option Layers: found 1, 2; expected none beside a TargetPattern. Put the layers into the pattern."],
        [Configuration with { RankPattern = new Dictionary<string, int> { ["up_proj"] = -1 } },
            "option RankPattern \"up_proj\": found -1; expected an integer from 1 to 65536. Choose a value in this range."],
        [Configuration with { AlphaPattern = new Dictionary<string, double> { ["up_proj"] = 0 } },
            "option AlphaPattern \"up_proj\": found 0; expected a finite number above 0. Choose a value in this range."],
    ];

    [TestMethod]
    [DynamicData(nameof(Options))]
    public void Save_OptionOutOfRange_IsRefusedAndNothingIsWritten(LoraConfiguration configuration, string expected)
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual(expected, folder.Refusal(() => new LoraAdapter(configuration, Factors()).Save(folder.Path)));
        Assert.IsEmpty(folder.Files());
    }

    /// <summary>What every kind of adapter has beside A and B, and how it starts.</summary>
    [TestMethod]
    public void Create_EveryKind_LeavesTheModelAsItIsAtFirst()
    {
        using var model = TinyModels.Create(1, TinyModels.Configuration with
        {
            ModelType = "llama", QueryKeyNorm = false, QkvBias = true, OutputBias = true,
        });
        var modules = new LoraConfiguration { Rank = 2, TargetModules = ["q_proj", "up_proj"] };
        (LoraConfiguration, string[])[] kinds =
        [
            (modules with { UseDora = true }, ["model.layers.0.self_attn.q_proj.lora_magnitude_vector"]),
            (modules with { LoraBias = true }, ["model.layers.1.mlp.up_proj.lora_B.bias"]),
            (modules with { Bias = TrainedBiases.LoraOnly }, ["model.layers.0.self_attn.q_proj.bias"]),
            (modules with { Bias = TrainedBiases.All }, ["model.layers.0.self_attn.k_proj.bias", "model.layers.0.self_attn.v_proj.bias"]),
            (modules with { ModulesToSave = ["lm_head", "embed_tokens"] }, ["lm_head.weight", "model.embed_tokens.weight"]),
            (modules with { TargetModules = ["embed_tokens", "lm_head"] },
                ["model.embed_tokens.lora_embedding_A", "model.embed_tokens.lora_embedding_B", "lm_head.lora_A"]),
        ];
        var sequence = new TokenSequence((int[])[3, 14, 15, 9, 26, 5, 30, 8, 2], 3);
        using var plain = new ManagedEngine().Load(new ModelLoadOptions { Folder = model });
        var expected = plain.Score([sequence])[0].LogProbabilities.Select(p => (double)p).ToArray();
        foreach (var (configuration, names) in kinds)
        {
            var adapter = LoraAdapter.Create(configuration, model, seed: 3);
            adapter.EnsureFits(model.Configuration);
            foreach (var name in names) Assert.IsTrue(adapter.Factors.Any(factor => factor.Name == name), name);
            using var adapted = new ManagedEngine().Load(new ModelLoadOptions { Folder = model, Adapter = adapter });
            NumberAssert.AreClose(expected, adapted.Score([sequence])[0].LogProbabilities, 1e-5, names[0]);
            using var folder = new TemporaryFolder();
            adapter.Save(folder.Path);
            LoraAdapter.Load(folder.Path).EnsureFits(model.Configuration);
        }
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => LoraAdapter.Create(kinds[0].Item1, model.Configuration, seed: 3)).Message,
            "a fresh adapter, \"model.layers.0.self_attn.q_proj.weight\": found no weights of the model; expected the model's folder");
    }

    public static IEnumerable<object[]> NotTogether =>
    [
        [new LoraConfiguration { TargetModules = ["lm_head"], UseDora = true }, "option TargetModules: found lm_head"],
        [new LoraConfiguration { TargetPattern = ".*embed_tokens", LoraBias = true }, "option TargetModules: found model.embed_tokens"],
        [new LoraConfiguration { TargetModules = ["lm_head", "q_proj"], ModulesToSave = ["lm_head"] }, "option TargetModules: found lm_head"],
        [new LoraConfiguration { ModulesToSave = ["norm"] }, "option ModulesToSave: found norm; expected embed_tokens, lm_head or both"],
        [new LoraConfiguration { UseDora = true, LoraBias = true }, "option LoraBias: found true; expected false beside UseDora"],
    ];

    [TestMethod]
    [DynamicData(nameof(NotTogether))]
    public void Create_KindsThatDoNotGoTogether_AreRefused(LoraConfiguration configuration, string expected)
    {
        using var model = TinyModels.Create();
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => LoraAdapter.Create(configuration, model, seed: 3)).Message, expected);
    }

    /// <summary>An embedding with more rows makes the vocabulary; the other end must have as many, where it is another matrix.</summary>
    [TestMethod]
    [DataRow(true, 34, 0, null)]
    [DataRow(true, 34, 34, null)]
    [DataRow(false, 34, 34, null)]
    [DataRow(false, 34, 0, "adapter, tensor \"lm_head.weight\": found no such factor; expected one of shape [34, 12]")]
    [DataRow(false, 34, 33, "adapter, tensor \"lm_head.weight\": found shape [33, 12]; expected [34, 12]")]
    [DataRow(true, 0, 34, "adapter, tensor \"lm_head.weight\": found shape [34, 12]; expected [31, 12]")]
    public void EnsureFits_EnlargedVocabulary_NeedsBothEndsOrASharedOne(bool tied, int embedding, int head, string? refusal)
    {
        var model = TinyModels.Configuration with { TieWordEmbeddings = tied };
        var adapter = LoraAdapter.Create(new LoraConfiguration { Rank = 2 }, model, seed: 3);
        (string Name, int Rows)[] ends = [("model.embed_tokens.weight", embedding), ("lm_head.weight", head)];
        var tensors = ends.Where(end => end.Rows > 0).Select(end => new NamedTensor(end.Name, [end.Rows, 12], new float[end.Rows * 12]));
        var enlarged = new LoraAdapter(adapter.Configuration, [.. adapter.Factors, .. tensors]);
        if (refusal is null)
        {
            enlarged.EnsureFits(model);
            Assert.AreEqual(34, enlarged.Extend(model).VocabularySize);
            CollectionAssert.AreEqual(adapter.Factors.ToArray(), enlarged.Trained.ToArray());
        }
        else
        {
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => enlarged.EnsureFits(model)).Message, refusal);
        }
    }

    [TestMethod]
    public void Create_FreshAdapter_FitsItsModelAndNoOther()
    {
        using var folder = new TemporaryFolder();
        var model = ModelConfiguration.Load(folder.Write("config.json", ModelConfigurationTests.Config()));
        var adapter = LoraAdapter.Create(new LoraConfiguration { Rank = 4, TargetModules = ["k_proj", "down_proj"] }, model, seed: 3);
        Assert.HasCount(12, adapter.Factors);
        adapter.EnsureFits(model);
        foreach (var factor in adapter.Factors)
        {
            var bound = 1 / Math.Sqrt(factor.Shape[1]);
            if (factor.Name.EndsWith("_B", StringComparison.Ordinal)) Assert.IsTrue(factor.Values.All(value => value == 0));
            else Assert.AreEqual(bound * bound / 3, factor.Values.Average(value => value * value), bound * bound / 10, "variance of a uniform value");
        }
        CollectionAssert.AreEqual(adapter.Factors[0].Values, LoraAdapter.Create(adapter.Configuration, model, seed: 3).Factors[0].Values);
        CollectionAssert.AreNotEqual(adapter.Factors[0].Values, LoraAdapter.Create(adapter.Configuration, model, seed: 4).Factors[0].Values);

        const string Remedy = "Use the adapter with the model it was trained on.";
        Assert.AreEqual($"adapter, tensor \"model.layers.3.self_attn.k_proj.lora_A\": found no such factor; expected one of shape [4, 32]. {Remedy}",
            folder.Refusal(() => adapter.EnsureFits(model with { LayerCount = 4 })));
        Assert.AreEqual($"adapter, tensor \"model.layers.2.self_attn.k_proj.lora_A\": found a factor that no targeted layer of the model has, or a "
            + $"second one; expected factors of the model's 2 layers. {Remedy}",
            folder.Refusal(() => adapter.EnsureFits(model with { LayerCount = 2 })));
        Assert.AreEqual($"adapter, tensor \"model.layers.0.self_attn.k_proj.lora_A\": found shape [4, 32]; expected [4, 64]. {Remedy}",
            folder.Refusal(() => adapter.EnsureFits(model with { HiddenSize = 64 })));
        Assert.AreEqual("option TargetModules: found lm_tail; expected at least one layer of the model. Name some of q_proj, k_proj, v_proj, "
            + "o_proj, gate_proj, up_proj, down_proj.",
            folder.Refusal(() => LoraAdapter.Create(new LoraConfiguration { TargetModules = ["lm_tail"] }, model, seed: 3)));
    }
}
