using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class ModelConfigurationTests
{
    private const string Correct = "Correct the value, or take the file that belongs to the model.";
    private const string CorrectConfiguration = "Correct the value, or take the configuration that belongs to the model.";

    /// <summary>A small llama with the keys of <paramref name="changes"/> set, or removed where the change is the text "(remove)".</summary>
    internal static string Config(string changes = "{}")
    {
        var config = JsonNode.Parse("""
            {"model_type": "llama", "vocab_size": 97, "hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 3, "num_attention_heads": 4,
             "num_key_value_heads": 2, "max_position_embeddings": 256, "rms_norm_eps": 1e-05}
            """)!.AsObject();
        foreach (var (key, value) in JsonNode.Parse(changes)!.AsObject())
        {
            if (value?.ToString() == "(remove)") config.Remove(key);
            else config[key] = value?.DeepClone();
        }
        return config.ToJsonString();
    }

    private static ModelConfiguration Load(string changes)
    {
        using var folder = new TemporaryFolder();
        return ModelConfiguration.Load(folder.Write("config.json", Config(changes)));
    }

    [TestMethod]
    public void Load_MissingLlamaKeys_TakeTheDefaultsOfTheClass()
    {
        var c = Load("""{"num_key_value_heads": "(remove)", "max_position_embeddings": "(remove)", "rms_norm_eps": "(remove)"}""");
        Assert.AreEqual((4, 8, 2048, 1e-6, false), (c.KeyValueHeadCount, c.HeadSize, c.MaximumPositions, c.NormEpsilon, c.TieWordEmbeddings));
        Assert.AreEqual(new RopeConfiguration(), c.Rope);
        Assert.AreEqual((false, false, false, false), (c.QkvBias, c.OutputBias, c.MlpBias, c.QueryKeyNorm));
        CollectionAssert.AreEqual(new[] { 0, 0, 0 }, c.SlidingWindows.ToArray());
        CollectionAssert.AreEqual(new[] { 2 }, c.EndOfSequenceIds.ToArray());
        Assert.IsNull(c.DataType);
    }

    [TestMethod]
    public void Load_MissingMistralKeys_TakeTheDefaultsOfTheClass()
    {
        var c = Load("""
            {"model_type": "mistral", "num_attention_heads": 16, "num_key_value_heads": "(remove)", "max_position_embeddings": "(remove)"}
            """);
        Assert.AreEqual((8, 131072), (c.KeyValueHeadCount, c.MaximumPositions));
        CollectionAssert.AreEqual(new[] { 4096, 4096, 4096 }, c.SlidingWindows.ToArray());
    }

    [TestMethod]
    public void Load_MissingQwenKeys_TakeTheDefaultsOfTheClasses()
    {
        var c = Load("""{"model_type": "qwen2", "max_position_embeddings": "(remove)", "sliding_window": 8, "attention_bias": true}""");
        Assert.AreEqual((32768, true, false), (c.MaximumPositions, c.QkvBias, c.OutputBias));
        CollectionAssert.AreEqual(new[] { 0, 0, 0 }, c.SlidingWindows.ToArray(), "use_sliding_window is false");
        Assert.IsEmpty(c.EndOfSequenceIds);
        c = Load("""{"model_type": "qwen3"}""");
        Assert.AreEqual((128, true, false), (c.HeadSize, c.QueryKeyNorm, c.QkvBias));
        c = Load("""{"model_type": "qwen3", "head_dim": 16, "attention_bias": true, "num_attention_heads": 64, "num_key_value_heads": "(remove)"}""");
        Assert.AreEqual((16, true, true, 32), (c.HeadSize, c.QkvBias, c.OutputBias, c.KeyValueHeadCount));
    }

    [TestMethod]
    public void Load_MissingKeysOfOtherArchitectures_TakeTheDefaultsOfTheirClasses()
    {
        const string Bare = "\"num_key_value_heads\": \"(remove)\", \"max_position_embeddings\": \"(remove)\", \"rms_norm_eps\": \"(remove)\"";
        var c = Load($$"""{"model_type": "granite", {{Bare}}}""");
        Assert.AreEqual((4, 2048, 1e-6, false), (c.KeyValueHeadCount, c.MaximumPositions, c.NormEpsilon, c.TieWordEmbeddings));
        Assert.AreEqual((1.0, 1.0, 1.0, 1.0), (c.EmbeddingMultiplier, c.AttentionMultiplier, c.ResidualMultiplier, c.LogitsDivisor));
        c = Load($$"""{"model_type": "smollm3", "num_hidden_layers": 5, {{Bare}}}""");
        Assert.AreEqual((4, 32768, 2e6, true), (c.KeyValueHeadCount, c.MaximumPositions, c.Rope.Theta, c.TieWordEmbeddings));
        Assert.AreEqual("True,True,True,False,True", string.Join(",", c.RotatedLayers!));
        c = Load($$"""{"model_type": "olmo2", {{Bare}}}""");
        Assert.AreEqual((4, 2048, 1e-5, false), (c.KeyValueHeadCount, c.MaximumPositions, c.NormEpsilon, c.TieWordEmbeddings));
        Assert.AreEqual((true, true, 50279), (c.Norms == NormPlacement.After, c.QueryKeyNorm, c.EndOfSequenceIds[0]));
    }

    [TestMethod]
    [DataRow("""{"model_type": "mixtral"}""", 8, 2, 56, true, "")]
    [DataRow("""{"model_type": "mixtral", "num_experts": 4, "num_experts_per_tok": 1}""", 4, 1, 56, true, "")]
    [DataRow("""{"model_type": "qwen3_moe"}""", 128, 8, 768, false, "")]
    [DataRow("""{"model_type": "qwen3_moe", "num_experts": 4, "num_local_experts": 8, "norm_topk_prob": true}""", 8, 8, 768, true, "")]
    [DataRow("""{"model_type": "qwen3_moe", "mlp_only_layers": [0, 7]}""", 128, 8, 768, false, "False,True,True")]
    [DataRow("""{"model_type": "qwen3_moe", "decoder_sparse_step": 2, "mlp_only_layers": null}""", 128, 8, 768, false, "False,True,False")]
    [DataRow("""{"model_type": "qwen3_moe", "decoder_sparse_step": 2, "mlp_only_layers": [1]}""", 128, 8, 768, false, "False,False,False")]
    public void Load_Experts_AreReadInBothSpellings(string changes, int count, int perToken, int width, bool normalizes, string layers)
    {
        var experts = Load(changes).Experts!;
        Assert.AreEqual((count, perToken, width, normalizes), (experts.Count, experts.PerToken, experts.IntermediateSize, experts.NormalizeWeights));
        Assert.AreEqual(layers, string.Join(",", experts.Layers ?? []));
    }

    [TestMethod]
    public void Validate_ExpertsThatTheArchitectureLacks_AreRefused()
    {
        var (mixtral, qwen) = (Load("""{"model_type": "mixtral"}"""), Load("""{"model_type": "qwen3_moe"}"""));
        var experts = mixtral.Experts!;
        foreach (var (configuration, key) in new[]
        {
            (mixtral with { Experts = null }, "model_type"), (Load("{}") with { Experts = experts }, "model_type"),
            (mixtral with { Experts = experts with { IntermediateSize = 8 } }, "moe_intermediate_size"),
            (mixtral with { Experts = experts with { NormalizeWeights = false } }, "norm_topk_prob"),
            (mixtral with { Experts = experts with { Layers = [true, true, true] } }, "mlp_only_layers"),
            (qwen with { Experts = qwen.Experts! with { Layers = [true, true] } }, "mlp_only_layers"),
        })
        {
            StringAssert.Contains(Assert.ThrowsExactly<NlftException>(configuration.Validate).Subject, $"\"{key}\"");
        }
    }

    [TestMethod]
    public void Load_MissingGemmaKeys_TakeTheDefaultsOfTheClasses()
    {
        const string Bare = "\"num_attention_heads\": 8, \"num_key_value_heads\": \"(remove)\", \"max_position_embeddings\": \"(remove)\"";
        var c = Load($$"""{"model_type": "gemma2", {{Bare}}}""");
        Assert.AreEqual((4, 256, 8192, 1e4, true, 1), (c.KeyValueHeadCount, c.HeadSize, c.MaximumPositions, c.Rope.Theta, c.TieWordEmbeddings,
            c.EndOfSequenceIds[0]));
        Assert.AreEqual((50.0, 30.0, null, Math.Sqrt(32), false), (c.AttentionSoftCap, c.LogitsSoftCap, c.AttentionMultiplier, c.EmbeddingMultiplier,
            c.QueryKeyNorm));
        Assert.AreEqual((NormPlacement.Both, NormKind.RmsPlusOne, Activation.GeluTanh, null), (c.Norms, c.NormKind, c.Activation, c.SlidingRope));
        c = Load($$"""{"model_type": "gemma3_text", "num_hidden_layers": 7, {{Bare}}, "query_pre_attn_scalar": 144}""");
        Assert.AreEqual((4, 256, 131072, 1e6, 1e4), (c.KeyValueHeadCount, c.HeadSize, c.MaximumPositions, c.Rope.Theta, c.SlidingRope!.Theta));
        Assert.AreEqual((null, null, 1 / 12.0, true), (c.AttentionSoftCap, c.LogitsSoftCap, c.AttentionMultiplier, c.QueryKeyNorm));
        Assert.AreEqual("4096,4096,4096,4096,4096,0,4096", string.Join(",", c.SlidingWindows));
    }

    [TestMethod]
    [DataRow("gemma2", """{"attn_logit_softcapping": null, "final_logit_softcapping": 20}""", null, 20.0)]
    [DataRow("gemma3_text", """{"final_logit_softcapping": 20}""", null, 20.0)]
    [DataRow("llama", """{"attn_logit_softcapping": 50, "final_logit_softcapping": 20}""", null, null)]
    public void Load_SoftCaps_CountWhereTheArchitectureHasThem(string type, string changes, double? attention, double? logits)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = type;
        var c = Load(json.ToJsonString());
        Assert.AreEqual((attention, logits), (c.AttentionSoftCap, c.LogitsSoftCap));
    }

    [TestMethod]
    [DataRow("llama", "hidden_act", "swish", Activation.Silu)]
    [DataRow("llama", "hidden_act", "gelu", Activation.Gelu)]
    [DataRow("qwen2", "hidden_act", "gelu_new", Activation.GeluTanh)]
    [DataRow("gemma2", "hidden_activation", "gelu", Activation.Gelu)]
    [DataRow("gemma2", "hidden_act", "gelu", Activation.GeluTanh)]
    [DataRow("gemma3_text", "hidden_activation", "gelu_fast", Activation.GeluTanh)]
    public void Load_Activation_IsReadFromTheKeyOfTheArchitecture(string type, string key, string value, Activation expected) =>
        Assert.AreEqual(expected, Load(new JsonObject { ["model_type"] = type, [key] = value }.ToJsonString()).Activation);

    [TestMethod]
    [DataRow("""{"no_rope_layers": [0, 1, 1]}""", "False,True,True")]
    [DataRow("""{"no_rope_layers": [0, 0, 0]}""", "False,False,False")]
    [DataRow("""{"no_rope_layers": [1, 1, 1]}""", "")]
    [DataRow("""{"no_rope_layers": null}""", "")]
    [DataRow("""{"no_rope_layer_interval": 2}""", "True,False,True")]
    public void Load_NoRopeLayers_OneMeansThatTheLayerRotates(string changes, string expected)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = "smollm3";
        Assert.AreEqual(expected, string.Join(",", Load(json.ToJsonString()).RotatedLayers ?? []));
    }

    [TestMethod]
    public void Load_ExplicitNull_CountsAsHuggingFaceCountsIt()
    {
        var c = Load("""
            {"model_type": "mistral", "num_key_value_heads": null, "head_dim": null, "sliding_window": null, "eos_token_id": null,
             "rope_scaling": null}
            """);
        Assert.AreEqual((4, 8), (c.KeyValueHeadCount, c.HeadSize));
        Assert.IsEmpty(c.EndOfSequenceIds);
        CollectionAssert.AreEqual(new[] { 0, 0, 0 }, c.SlidingWindows.ToArray());
    }

    [TestMethod]
    [DataRow("""{"model_type": "mistral", "sliding_window": 7}""", "7,7,7")]
    [DataRow("""{"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 7, "max_window_layers": 2}""", "0,0,7")]
    [DataRow("""{"model_type": "qwen3", "use_sliding_window": true, "sliding_window": 7}""", "0,0,0")]
    [DataRow("""
        {"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 7, "max_window_layers": 2,
         "layer_types": ["sliding_attention", "full_attention", "full_attention"]}
        """, "7,0,0")]
    [DataRow("""{"model_type": "llama", "sliding_window": 7}""", "0,0,0")]
    [DataRow("""{"model_type": "mixtral"}""", "0,0,0")]
    [DataRow("""{"model_type": "mixtral", "sliding_window": 7}""", "7,7,7")]
    [DataRow("""{"model_type": "qwen3_moe", "num_key_value_heads": 4, "sliding_window": 7}""", "0,0,0")]
    [DataRow("""{"model_type": "qwen3_moe", "use_sliding_window": true, "sliding_window": 7, "max_window_layers": 2}""", "7,7,7")]
    [DataRow("""{"model_type": "gemma2", "sliding_window": 7, "sliding_window_pattern": 3}""", "7,0,7")]
    [DataRow("""{"model_type": "gemma3_text", "sliding_window": 7}""", "7,7,7")]
    [DataRow("""{"model_type": "gemma3_text", "sliding_window": 7, "sliding_window_pattern": 3}""", "7,7,0")]
    [DataRow("""
        {"model_type": "gemma3_text", "sliding_window": 7, "_sliding_window_pattern": 3, "sliding_window_pattern": 3,
         "layer_types": ["full_attention", "sliding_attention", "full_attention"]}
        """, "0,7,0")]
    public void Load_SlidingWindows_FollowTheArchitecture(string changes, string expected) =>
        Assert.AreEqual(expected, string.Join(",", Load(changes).SlidingWindows));

    [TestMethod]
    public void Load_OldAndNewSpellingsOfRope_AreTheSame()
    {
        var expected = new RopeConfiguration { Theta = 500000, Type = "llama3", Factor = 8, LowFrequencyFactor = 1, HighFrequencyFactor = 4,
            OriginalMaximumPositions = 32 };
        const string Keys = "\"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 32";
        Assert.AreEqual(expected, Load($$$"""{"rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", {{{Keys}}}}}""").Rope);
        Assert.AreEqual(expected, Load($$$"""{"rope_theta": 500000.0, "rope_scaling": {"type": "llama3", {{{Keys}}}}}""").Rope);
        Assert.AreEqual(expected, Load($$$"""{"rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, {{{Keys}}}}}""").Rope);
        Assert.AreEqual(new RopeConfiguration { Theta = 1e6 },
            Load("""{"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}, "partial_rotary_factor": 1.0}""").Rope);
        Assert.AreEqual(new RopeConfiguration { Type = "linear", Factor = 2.5 },
            Load("""{"rope_scaling": {"type": "linear", "factor": 2.5}}""").Rope);
    }

    [TestMethod]
    public void Load_Yarn_TakesOriginalLengthAndMagnitudesAsTransformersDoes()
    {
        Assert.AreEqual(new RopeConfiguration { Type = "yarn", Factor = 4, OriginalMaximumPositions = 256 },
            Load("""{"rope_scaling": {"type": "yarn", "factor": 4.0}}""").Rope);
        Assert.AreEqual(new RopeConfiguration { Type = "yarn", Factor = 8, OriginalMaximumPositions = 32, BetaFast = 16, BetaSlow = 2,
            AttentionFactor = 1.25 },
            Load("""
                {"rope_scaling": {"rope_type": "yarn", "original_max_position_embeddings": 32, "beta_fast": 16, "beta_slow": 2,
                                  "attention_factor": 1.25}}
                """).Rope);
        var mscale = Load("""{"rope_scaling": {"rope_type": "yarn", "factor": 40, "mscale": 1.0, "mscale_all_dim": 0.5}}""").Rope.AttentionFactor;
        Assert.AreEqual((0.1 * Math.Log(40) + 1) / (0.05 * Math.Log(40) + 1), mscale!.Value, 1e-15);
    }

    /// <summary>As in transformers 5: a filled rope_scaling counts before rope_parameters, a key within before the same at top level.</summary>
    [TestMethod]
    [DataRow("""{"rope_theta": 5e5}""", "default", 5e5)]
    [DataRow("""{"rope_parameters": {"rope_theta": 5e5}, "rope_theta": 2e4}""", "default", 5e5)]
    [DataRow("""{"rope_parameters": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5}""", "linear", 5e5)]
    [DataRow("""{"rope_scaling": {"type": "linear", "factor": 2.0, "rope_theta": 5e5}, "rope_theta": 2e4}""", "linear", 5e5)]
    [DataRow("""{"rope_scaling": {"rope_type": "linear", "type": "su", "factor": 2.0}}""", "linear", 1e4)]
    [DataRow("""{"rope_scaling": {"type": "linear", "factor": 2.0}, "rope_parameters": {"rope_theta": 5e5}}""", "linear", 1e4)]
    [DataRow("""{"rope_scaling": {}, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}}""", "linear", 5e5)]
    [DataRow("""{"rope_scaling": null, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}""", "default", 5e5)]
    [DataRow("""{"rope_scaling": {"rope_theta": 5e5}}""", "default", 5e5)]
    [DataRow("""{"rope_parameters": {"rope_type": null, "type": "linear", "factor": 2, "rope_theta": null}, "rope_theta": 5e5}""", "linear", 5e5)]
    public void Load_RopeKeys_CountWhereTransformersReadsThem(string changes, string type, double theta)
    {
        var rope = Load(changes).Rope;
        Assert.AreEqual(new RopeConfiguration { Type = type, Theta = theta, Factor = type == "linear" ? 2 : 1 }, rope);
    }

    [TestMethod]
    [DataRow("{}", 1e6, 1.0, 1e4, 1.0)]
    [DataRow("""{"rope_theta": 5e5, "rope_local_base_freq": 2e4, "rope_scaling": {"rope_type": "linear", "factor": 8}}""", 5e5, 8.0, 2e4, 1.0)]
    [DataRow("""
        {"rope_parameters": {"full_attention": {"rope_theta": 5e5, "rope_type": "linear", "factor": 8}, "sliding_attention": {"rope_theta": 2e4}}}
        """, 5e5, 8.0, 2e4, 1.0)]
    [DataRow("""{"rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2}}, "rope_theta": 5e5}""", 5e5, 1.0, 1e4, 2.0)]
    [DataRow("""{"rope_parameters": {"full_attention": {"rope_type": "default"}}, "rope_local_base_freq": 2e4}""", 1e6, 1.0, 2e4, 1.0)]
    public void Load_RopeOfGemma3_IsReadByTypeOfLayer(string changes, double theta, double factor, double slidingTheta, double slidingFactor)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = "gemma3_text";
        var c = Load(json.ToJsonString());
        Assert.AreEqual((theta, factor, slidingTheta, slidingFactor), (c.Rope.Theta, c.Rope.Factor, c.SlidingRope!.Theta, c.SlidingRope.Factor));
    }

    [TestMethod]
    [DataRow("""{"rope_scaling": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32}}""", 32)]
    [DataRow("""{"rope_scaling": {"rope_type": "yarn", "factor": 4}, "original_max_position_embeddings": 64}""", 64)]
    [DataRow("""
        {"rope_parameters": {"rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 32}, "original_max_position_embeddings": 64}
        """, 64)]
    [DataRow("""{"rope_scaling": {"rope_type": "yarn", "factor": 4}}""", 256)]
    [DataRow("""{"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}}""", 256)]
    [DataRow("""
        {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 32}}
        """, 32)]
    [DataRow("""{"rope_scaling": {"type": "dynamic", "factor": 4, "original_max_position_embeddings": 32}}""", 256)]
    public void Load_OriginalPositions_AreThoseAtTopLevelFirst(string changes, int expected)
    {
        var c = Load(changes);
        Assert.AreEqual(expected, c.Rope.OriginalMaximumPositions);
        Assert.AreEqual(c.Rope.Type == "dynamic" ? 1024 : 256, c.MaximumPositions);
    }

    [TestMethod]
    [DataRow("llama", """{"head_dim": null}""", 8)]
    [DataRow("mistral", """{"head_dim": null}""", 8)]
    [DataRow("qwen2", "{}", 8)]
    [DataRow("qwen3", "{}", 128)]
    [DataRow("qwen3", """{"head_dim": 16}""", 16)]
    [DataRow("qwen2", """{"head_dim": 16}""", 16)]
    [DataRow("mixtral", """{"head_dim": null}""", 8)]
    [DataRow("qwen3_moe", "{}", 8)]
    [DataRow("qwen3_moe", """{"head_dim": 16}""", 16)]
    public void Load_HeadSize_FollowsTheArchitecture(string type, string changes, int expected)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = type;
        Assert.AreEqual((expected, false), (Load(json.ToJsonString()).HeadSize, Load(json.ToJsonString()).TieWordEmbeddings));
    }

    [TestMethod]
    [DataRow("""{"dtype": "bfloat16", "eos_token_id": 5}""", "bfloat16", "5")]
    [DataRow("""{"dtype": "bfloat16", "torch_dtype": "float32", "eos_token_id": [5]}""", "bfloat16", "5")]
    [DataRow("""{"torch_dtype": "float16", "eos_token_id": [128001, 128009]}""", "float16", "128001,128009")]
    public void Load_ElementTypeAndEndOfSequence_AreReadInEverySpelling(string changes, string type, string ends)
    {
        var c = Load(changes);
        Assert.AreEqual(type, c.DataType);
        Assert.AreEqual(ends, string.Join(",", c.EndOfSequenceIds));
    }

    private const string Factors = """ "short_factor": [1, 1.5, 2, 3], "long_factor": [1, 2, 4, 8] """;

    [TestMethod]
    [DataRow($$$"""{"rope_scaling": {"type": "longrope", {{{Factors}}}}, "original_max_position_embeddings": 64}""", 64, 4)]
    [DataRow($$$"""{"rope_scaling": {"type": "su", {{{Factors}}}}, "original_max_position_embeddings": 64}""", 64, 4)]
    [DataRow($$$"""{"rope_scaling": {"type": "yarn", {{{Factors}}}}, "original_max_position_embeddings": 64}""", 64, 4)]
    [DataRow($$$"""{"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 32, {{{Factors}}}}}""", 32, 8)]
    [DataRow($$$"""
        {"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 32, {{{Factors}}}}, "original_max_position_embeddings": 64}
        """, 64, 4)]
    [DataRow($$$"""{"rope_scaling": {"type": "longrope", "factor": 16, {{{Factors}}}}, "original_max_position_embeddings": 64}""", 64, 16)]
    [DataRow($$$"""{"rope_scaling": {"type": "longrope", {{{Factors}}}}, "max_position_embeddings": 16384}""", 4096, 4)]
    public void Load_LongRopeOfPhi3_HasItsFactorsUnderEveryName(string changes, int original, double factor)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = "phi3";
        var rope = Load(json.ToJsonString()).Rope;
        Assert.AreEqual(("longrope", original, factor), (rope.Type, rope.OriginalMaximumPositions, rope.Factor));
        CollectionAssert.AreEqual(new[] { 1, 1.5, 2, 3 }, rope.ShortFactors.ToArray());
        CollectionAssert.AreEqual(new double[] { 1, 2, 4, 8 }, rope.LongFactors.ToArray());

        var (atLimit, magnitude) = RopeFrequencies.Of(rope, headSize: 8, original);
        CollectionAssert.AreEqual(RopeFrequencies.Of(rope, headSize: 8).Frequencies, atLimit);
        Assert.AreEqual(Math.Sqrt(1 + Math.Log(factor) / Math.Log(original)), magnitude, 1e-12);
        var (beyond, _) = RopeFrequencies.Of(rope, headSize: 8, original + 1);
        for (var i = 0; i < 4; i++) Assert.AreEqual(atLimit[i] * rope.ShortFactors[i] / rope.LongFactors[i], beyond[i], 1e-12);
        Assert.AreEqual(1e-3 / 8, beyond[3], 1e-12);
    }

    [TestMethod]
    [DataRow("""{"partial_rotary_factor": 0.5}""", 0.5)]
    [DataRow("""{"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}""", 0.5)]
    [DataRow("""{"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25}, "partial_rotary_factor": 0.5}""", 0.25)]
    [DataRow("""{"rope_scaling": null, "partial_rotary_factor": 0.75}""", 0.75)]
    [DataRow("{}", 1)]
    public void Load_PartialRotaryFactorOfPhi3_CountsWhereverItStands(string changes, double share)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = "phi3";
        var c = Load(json.ToJsonString());
        Assert.AreEqual(share, c.Rope.RotatedShare);
        Assert.HasCount((int)(8 * share) / 2, RopeFrequencies.Of(c.Rope, c.HeadSize).Frequencies);
    }

    [TestMethod]
    [DataRow("""{"sliding_window": null}""", 0)]
    [DataRow("""{"sliding_window": 16}""", 16)]
    [DataRow("""{"sliding_window": "(remove)"}""", 0)]
    public void Load_SlidingWindowOfPhi3_IsThatOfTheFile(string changes, int window)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = "phi3";
        Assert.IsTrue(Load(json.ToJsonString()).SlidingWindows.All(layer => layer == window));
    }

    [TestMethod]
    public void Load_MissingPhiKeys_TakeTheDefaultsOfTheClass()
    {
        var c = Load("""{"model_type": "phi", "num_key_value_heads": "(remove)", "max_position_embeddings": "(remove)", "rms_norm_eps": 0.5}""");
        Assert.AreEqual((4, 2048, 1e-5, 0.5), (c.KeyValueHeadCount, c.MaximumPositions, c.NormEpsilon, c.Rope.RotatedShare));
        Assert.AreEqual((true, true, true, true, true), (c.QkvBias, c.OutputBias, c.MlpBias, c.HeadBias, c.ParallelResidual));
        Assert.AreEqual((NormKind.Layer, Activation.GeluTanh, FeedForwardLayout.UpOnly), (c.NormKind, c.Activation, c.FeedForwardLayout));
        Assert.AreEqual(0.25, Load("""{"model_type": "phi", "layer_norm_eps": 0.25}""").NormEpsilon);
    }

    [TestMethod]
    [DataRow("{}", true, true, Activation.Gelu, 0.25, 1e4)]
    [DataRow("""{"use_parallel_residual": false, "attention_bias": false}""", false, false, Activation.Gelu, 0.25, 1e4)]
    [DataRow("""{"rotary_pct": 0.5, "rotary_emb_base": 500, "rope_theta": 7}""", true, true, Activation.Gelu, 0.5, 500)]
    [DataRow("""{"rope_parameters": {"rope_theta": 900, "partial_rotary_factor": 1}, "rotary_pct": 0.5}""", true, true, Activation.Gelu, 1, 900)]
    [DataRow("""{"hidden_act": "gelu_fast", "num_key_value_heads": 2, "head_dim": 6}""", true, true, Activation.GeluTanh, 0.25, 1e4)]
    public void Load_GptNeoxKeys_CountAsTransformersReadsThem(string changes, bool parallel, bool bias, Activation activation, double share,
        double theta)
    {
        var json = JsonNode.Parse(changes)!.AsObject();
        json["model_type"] = "gpt_neox";
        var c = Load(json.ToJsonString());
        Assert.AreEqual((parallel, bias, bias, true), (c.ParallelResidual, c.QkvBias, c.OutputBias, c.MlpBias));
        Assert.AreEqual((activation, share, theta, 4, 8), (c.Activation, c.Rope.RotatedShare, c.Rope.Theta, c.KeyValueHeadCount, c.HeadSize));
        Assert.AreEqual(2048, Load("""{"model_type": "gpt_neox", "max_position_embeddings": null}""").MaximumPositions);
    }

    private const string Gpt2 = """
        "model_type": "gpt2", "n_embd": 48, "n_layer": 2, "n_head": 6, "hidden_size": "(remove)", "num_hidden_layers": "(remove)",
        "num_attention_heads": "(remove)", "intermediate_size": "(remove)"
        """;

    [TestMethod]
    [DataRow("", 192, 1024, 1e-5, Activation.GeluTanh, true)]
    [DataRow(", \"n_inner\": null, \"n_positions\": 64", 192, 64, 1e-5, Activation.GeluTanh, true)]
    [DataRow(", \"n_inner\": 100, \"layer_norm_epsilon\": 0.5", 100, 1024, 0.5, Activation.GeluTanh, true)]
    [DataRow(", \"activation_function\": \"gelu\", \"hidden_act\": \"silu\"", 192, 1024, 1e-5, Activation.Gelu, true)]
    [DataRow(", \"tie_word_embeddings\": false, \"scale_attn_weights\": true", 192, 1024, 1e-5, Activation.GeluTanh, false)]
    public void Load_Gpt2Keys_AreTheOnesOfItsClass(string changes, int inner, int positions, double epsilon, Activation activation, bool tied)
    {
        var c = Load($$"""{ {{Gpt2}}{{changes}} }""");
        Assert.AreEqual((48, 2, 6, 6, 8), (c.HiddenSize, c.LayerCount, c.HeadCount, c.KeyValueHeadCount, c.HeadSize));
        Assert.AreEqual((inner, positions, epsilon, activation, tied),
            (c.IntermediateSize, c.MaximumPositions, c.NormEpsilon, c.Activation, c.TieWordEmbeddings));
        Assert.AreEqual((true, true, false), (c.LearnedPositions, c.TransposedWeights, c.IsRotated(0)));
        CollectionAssert.AreEqual(new[] { 50256 }, c.EndOfSequenceIds.ToArray());
    }

    [TestMethod]
    [DynamicData(nameof(Architectures.Names), typeof(Architectures))]
    public void ToJson_EveryArchitecture_IsReadAsTheSameModel(string name)
    {
        var expected = Architectures.Configuration(name);
        using var folder = new TemporaryFolder();
        var json = ModelConfigurationWriter.ToJson(expected, TensorType.F32);
        var c = ModelConfiguration.Load(folder.Write("config.json", System.Text.Encoding.UTF8.GetString(json)));
        CollectionAssert.AreEqual(expected.Rope.ShortFactors.ToArray(), c.Rope.ShortFactors.ToArray());
        CollectionAssert.AreEqual(expected.Rope.LongFactors.ToArray(), c.Rope.LongFactors.ToArray());
        var rope = c.Rope with { ShortFactors = expected.Rope.ShortFactors, LongFactors = expected.Rope.LongFactors };
        CollectionAssert.AreEqual(expected.SlidingWindows.ToArray(), c.SlidingWindows.ToArray());
        Assert.AreEqual(expected with { DataType = "float32" },
            c with { Rope = rope, SlidingWindows = expected.SlidingWindows, EndOfSequenceIds = expected.EndOfSequenceIds });
        var keys = JsonNode.Parse(json)!.AsObject();
        Assert.AreEqual(expected.LearnedPositions, !keys.ContainsKey("rope_theta") && !keys.ContainsKey("rotary_emb_base"));
    }

    public static IEnumerable<object[]> Malformed =>
    [
        ["""{"model_type": "bert"}""",
            $"config.json, \"model_type\": found \"bert\"; expected {ModelArchitecture.Names}. Use a model of one of these architectures."],
        ["""{"model_type": "gemma"}""",
            $"config.json, \"model_type\": found \"gemma\"; expected {ModelArchitecture.Names}. Use a model of one of these architectures."],
        ["""{"model_type": "gemma3", "text_config": {"model_type": "gemma3_text"}}""",
            $"config.json, \"model_type\": found \"gemma3\"; expected {ModelArchitecture.Names}. This model also sees images: use the files of a "
                + "text-only Gemma 3, whose model_type is gemma3_text, such as Gemma 3 270M or 1B."],
        ["""{"model_type": "phi", "qk_layernorm": true}""",
            "config.json, \"qk_layernorm\": found true; expected false. Use a model without this setting."],
        [$$"""{ {{Gpt2}}, "scale_attn_weights": false }""",
            "config.json, \"scale_attn_weights\": found false; expected true. Use a model without this setting."],
        [$$"""{ {{Gpt2}}, "scale_attn_by_inverse_layer_idx": true }""",
            "config.json, \"scale_attn_by_inverse_layer_idx\": found true; expected false. Use a model without this setting."],
        [$$"""{ {{Gpt2.Replace("6", "5", StringComparison.Ordinal)}} }""",
            $"config.json, \"n_embd\": found 48; expected a multiple of n_head, 5. {Correct}"],
        [$$"""{ {{Gpt2}}, "layer_norm_epsilon": 0 }""",
            $"config.json, \"layer_norm_epsilon\": found 0; expected a number above 0 and below 1. {CorrectConfiguration}"],
        ["""{"model_type": "gpt_neox", "rotary_pct": 0.4}""",
            "config.json, \"rotary_pct\": found 0.4; expected a number above 0 and at most 1 that rotates an even number of the 8 values of a head. "
                + CorrectConfiguration],
        ["""{"model_type": "gpt2", "num_attention_heads": 4}""",
            $"config.json, \"n_layer\": found no such key; expected an integer from 1 to 4096. {Correct}"],
        ["""{"model_type": "(remove)"}""",
            $"config.json, \"model_type\": found no such key; expected {ModelArchitecture.Names}. Use the config.json that belongs to the model."],
        ["""{"model_type": "mixtral", "num_experts_per_tok": 9}""",
            $"config.json, \"num_experts_per_tok\": found 9; expected an integer from 1 to 8. {CorrectConfiguration}"],
        ["""{"model_type": "mixtral", "num_local_experts": 0}""",
            $"config.json, \"num_experts\": found 0; expected an integer from 1 to 16384. {CorrectConfiguration}"],
        ["""{"model_type": "qwen3_moe", "moe_intermediate_size": -1}""",
            $"config.json, \"moe_intermediate_size\": found -1; expected an integer from 1 to 4194304. {CorrectConfiguration}"],
        ["""{"model_type": "qwen3_moe", "num_experts": 20000}""",
            $"config.json, \"num_experts\": found 20000; expected an integer from 1 to 16384. {CorrectConfiguration}"],
        ["""{"model_type": "qwen3_moe", "num_experts": 16384, "num_hidden_layers": 17}""",
            "config.json, \"num_experts\": found 16384; expected at most 262144 experts in the 17 layers together. " + CorrectConfiguration],
        ["""{"model_type": "qwen3_moe", "decoder_sparse_step": 0}""",
            $"config.json, \"decoder_sparse_step\": found 0; expected an integer above 0. {Correct}"],
        ["""{"model_type": "qwen3_moe", "num_experts_per_tok": 128, "moe_intermediate_size": 4194304}""",
            "config.json, \"num_experts_per_tok\": found 128; expected experts that are together at most 4194304 wide. " + CorrectConfiguration],
        ["""{"model_type": "granite", "residual_multiplier": 0}""",
            $"config.json, \"residual_multiplier\": found 0; expected a finite number above 0. {CorrectConfiguration}"],
        ["""{"model_type": "granite", "logits_scaling": -8}""",
            $"config.json, \"logits_scaling\": found -8; expected a finite number above 0. {CorrectConfiguration}"],
        ["""{"model_type": "smollm3", "no_rope_layers": [1, 0]}""",
            $"config.json, \"no_rope_layers\": found [1,0]; expected 3 entries, one per layer. {Correct}"],
        ["""{"model_type": "smollm3", "no_rope_layer_interval": 0}""",
            $"config.json, \"no_rope_layer_interval\": found 0; expected an integer above 0. {Correct}"],
        ["""{"model_type": "olmo2", "mlp_bias": true}""",
            $"config.json, \"mlp_bias\": found True; expected false: olmo2 has no feed-forward biases. {CorrectConfiguration}"],
        ["""{"hidden_size": "(remove)"}""", $"config.json, \"hidden_size\": found no such key; expected an integer from 1 to 4194304. {Correct}"],
        ["""{"vocab_size": "97"}""", $"config.json, \"vocab_size\": found \"97\"; expected an integer from -2147483648 to 2147483647. {Correct}"],
        ["""{"vocab_size": 97.5}""", $"config.json, \"vocab_size\": found 97.5; expected an integer from -2147483648 to 2147483647. {Correct}"],
        ["""{"vocab_size": 0}""", $"config.json, \"vocab_size\": found 0; expected an integer from 1 to 16777216. {Correct}"],
        ["""{"intermediate_size": -56}""", $"config.json, \"intermediate_size\": found -56; expected an integer from 1 to 4194304. {Correct}"],
        ["""{"num_hidden_layers": 100000}""", $"config.json, \"num_hidden_layers\": found 100000; expected an integer from 1 to 4096. {Correct}"],
        ["""{"hidden_size": 99999999999}""", $"config.json, \"hidden_size\": found 99999999999; expected an integer from -2147483648 to 2147483647. "
            + $"{Correct}"],
        ["""{"hidden_size": 33}""",
            $"config.json, \"hidden_size\": found 33; expected a multiple of num_attention_heads, 4, or a key head_dim. {Correct}"],
        ["""{"num_key_value_heads": 3}""",
            $"config.json, \"num_key_value_heads\": found 3; expected a divisor of num_attention_heads, 4. {CorrectConfiguration}"],
        ["""{"num_key_value_heads": 0}""",
            $"config.json, \"num_key_value_heads\": found 0; expected an integer from 1 to 16384. {CorrectConfiguration}"],
        ["""{"head_dim": 7}""",
            $"config.json, \"head_dim\": found 7; expected an even head size (rotary embedding rotates pairs). {CorrectConfiguration}"],
        ["""{"head_dim": -8}""", $"config.json, \"head_dim\": found -8; expected an integer from 1 to 16384. {CorrectConfiguration}"],
        ["""{"rms_norm_eps": 0}""", $"config.json, \"rms_norm_eps\": found 0; expected a number above 0 and below 1. {CorrectConfiguration}"],
        ["""{"rms_norm_eps": "small"}""", $"config.json, \"rms_norm_eps\": found \"small\"; expected a finite number. {Correct}"],
        ["""{"max_position_embeddings": 0}""",
            $"config.json, \"max_position_embeddings\": found 0; expected an integer from 1 to 2147483647. {CorrectConfiguration}"],
        ["""{"hidden_act": "relu"}""",
            "config.json, \"hidden_act\": found \"relu\"; expected silu, gelu or gelu_pytorch_tanh. Use a model whose feed-forward layers have one "
                + "of these activations."],
        ["""{"model_type": "gemma2", "hidden_activation": "relu2"}""",
            "config.json, \"hidden_activation\": found \"relu2\"; expected silu, gelu or gelu_pytorch_tanh. Use a model whose feed-forward layers "
                + "have one of these activations."],
        ["""{"model_type": "gemma3_text", "use_bidirectional_attention": true}""",
            "config.json, \"use_bidirectional_attention\": found true; expected false. Use a model that generates text; this one computes "
                + "embeddings of texts."],
        ["""{"model_type": "gemma2", "query_pre_attn_scalar": 0}""",
            $"config.json, \"query_pre_attn_scalar\": found 0; expected a number above 0. {Correct}"],
        ["""{"model_type": "gemma2", "attn_logit_softcapping": -50}""",
            $"config.json, \"attn_logit_softcapping\": found -50; expected a finite number above 0, or null. {CorrectConfiguration}"],
        ["""{"model_type": "gemma3_text", "final_logit_softcapping": 0}""",
            $"config.json, \"final_logit_softcapping\": found 0; expected a finite number above 0, or null. {CorrectConfiguration}"],
        ["""{"model_type": "gemma3_text", "sliding_window_pattern": 0}""",
            $"config.json, \"sliding_window_pattern\": found 0; expected an integer above 0. {Correct}"],
        ["""{"model_type": "gemma3_text", "sliding_window": 0}""",
            $"config.json, \"sliding_window\": found 0; expected an integer above 0, or null. {Correct}"],
        ["""{"model_type": "gemma3_text", "rope_local_base_freq": 1}""",
            $"config.json, \"rope_local_base_freq\": found 1; expected a number above 1. {Correct}"],
        ["""{"model_type": "gemma3_text", "rope_parameters": {"rope_theta": 1000000.0}}""",
            $"config.json, \"rope_parameters.rope_theta\": found 1000000.0; expected the settings in full_attention and in sliding_attention. "
                + $"{Correct}"],
        ["""
        {"model_type": "gemma3_text", "rope_scaling": {"rope_type": "linear", "factor": 8},
         "rope_parameters": {"full_attention": {"rope_theta": 1000000.0}}}
        """,
            "config.json, \"rope_scaling\": found {\"rope_type\":\"linear\",\"factor\":8}; expected none beside rope_parameters. Remove one of "
                + "them."],
        ["""{"tie_word_embeddings": 1}""", $"config.json, \"tie_word_embeddings\": found 1; expected true or false. {Correct}"],
        ["""{"model_type": "mistral", "attention_bias": true}""",
            $"config.json, \"attention_bias\": found True; expected false: mistral has no biases. {CorrectConfiguration}"],
        ["""{"model_type": "qwen2", "mlp_bias": true}""",
            $"config.json, \"mlp_bias\": found True; expected false: qwen2 has no feed-forward biases. {CorrectConfiguration}"],
        ["""{"quantization_config": {"bits": 4}}""",
            "config.json, \"quantization_config\": found {\"bits\":4}; expected none. Use the model's unquantised weights (float32, float16 or "
                + "bfloat16)."],
        ["""{"eos_token_id": "end"}""", $"config.json, \"eos_token_id\": found \"end\"; expected an integer or a list of integers. {Correct}"],
        ["""{"eos_token_id": [2, -1]}""", $"config.json, \"eos_token_id\": found -1; expected token ids of at least 0. {CorrectConfiguration}"],
        ["""{"partial_rotary_factor": 0.5}""",
            "config.json, \"partial_rotary_factor\": found 0.5; expected 1. Use a model that rotates whole heads."],
        ["""{"rope_theta": 0}""", $"config.json, \"rope_theta\": found 0; expected a number above 1. {Correct}"],
        ["""{"rope_scaling": [8]}""", $"config.json, \"rope_scaling\": found [8]; expected an object. {Correct}"],
        ["""{"rope_scaling": {"type": "su", "factor": 2.0}}""",
            "config.json, \"rope_scaling.type\": found \"su\"; expected default, linear, dynamic, llama3, yarn or longrope. Use a model with one of "
                + "these rotary embeddings: positions of any other kind would be wrong."],
        ["""{"rope_parameters": {"full_attention": {"rope_theta": 1000000.0}, "sliding_attention": {"rope_theta": 10000.0}}}""",
            "config.json, \"rope_parameters.full_attention\": found {\"rope_theta\":1000000.0}; expected the settings of all layers together. Use "
                + "a model whose layers share their rotary embedding."],
        ["""{"rope_parameters": {"sliding_attention": {"rope_theta": 10000.0}}, "layer_types": ["full_attention"]}""",
            "config.json, \"rope_parameters.sliding_attention\": found {\"rope_theta\":10000.0}; expected the settings of all layers together. Use "
                + "a model whose layers share their rotary embedding."],
        ["""{"rope_parameters": {"partial_rotary_factor": 0.25}}""",
            "config.json, \"rope_parameters.partial_rotary_factor\": found 0.25; expected 1. Use a model that rotates whole heads."],
        ["""{"rope_scaling": {"rope_type": "default", "partial_rotary_factor": 0.25}}""",
            "config.json, \"rope_scaling.partial_rotary_factor\": found 0.25; expected 1. Use a model that rotates whole heads."],
        ["""{"rope_scaling": {"rope_type": "yarn", "factor": 4}, "original_max_position_embeddings": 0}""",
            $"config.json, \"original_max_position_embeddings\": found 0; expected an integer above 0. {Correct}"],
        ["""{"rope_scaling": {"rope_type": "linear", "factor": 4, "rope_theta": 0.5}}""",
            $"config.json, \"rope_scaling.rope_theta\": found 0.5; expected a number above 1. {Correct}"],
        ["""{"model_type": "qwen3", "head_dim": null}""",
            $"config.json, \"head_dim\": found null; expected an integer above 0, or no such key. {Correct}"],
        ["""{"rope_parameters": {"rope_type": "proportional"}}""",
            "config.json, \"rope_parameters.rope_type\": found \"proportional\"; expected default, linear, dynamic, llama3, yarn or longrope. Use a "
                + "model with one of these rotary embeddings: positions of any other kind would be wrong."],
        ["""{"rope_parameters": {"rope_type": "longrope"}}""",
            $"config.json, \"short_factor\": found 0 numbers; expected 4, one per rotated pair of a head. {CorrectConfiguration}"],
        ["""{"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1]}}""",
            $"config.json, \"long_factor\": found 3 numbers; expected 4, one per rotated pair of a head. {CorrectConfiguration}"],
        ["""{"rope_scaling": {"type": "longrope", "short_factor": [1, 1, 0, 1], "long_factor": [1, 1, 1, 1]}}""",
            $"config.json, \"short_factor\": found 0; expected finite numbers above 0. {CorrectConfiguration}"],
        ["""{"rope_scaling": {"type": "longrope", "short_factor": ["a"], "long_factor": [1, 1, 1, 1]}}""",
            $"config.json, \"rope_scaling.short_factor[0]\": found \"a\"; expected a finite number. {Correct}"],
        ["""{"model_type": "phi3", "partial_rotary_factor": 0.4}""",
            "config.json, \"partial_rotary_factor\": found 0.4; expected a number above 0 and at most 1 that rotates an even number of the 8 "
                + $"values of a head. {CorrectConfiguration}"],
        ["""{"model_type": "phi3", "partial_rotary_factor": 1.5}""",
            "config.json, \"partial_rotary_factor\": found 1.5; expected a number above 0 and at most 1 that rotates an even number of the 8 "
                + $"values of a head. {CorrectConfiguration}"],
        ["""{"rope_scaling": {"rope_type": "linear"}}""",
            $"config.json, \"rope_scaling.factor\": found no such key; expected a number above 0. {Correct}"],
        ["""{"rope_scaling": {"rope_type": "linear", "factor": 0.5}}""",
            $"config.json, \"rope_scaling.factor\": found 0.5; expected a number of at least 1. {Correct}"],
        ["""{"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1}}""",
            $"config.json, \"rope_scaling.high_freq_factor\": found 1; expected a number above low_freq_factor, 4. {Correct}"],
        ["""{"model_type": "mistral", "sliding_window": 0}""",
            $"config.json, \"sliding_window\": found 0; expected an integer above 0, or null. {Correct}"],
        ["""{"layer_types": ["full_attention"]}""",
            $"config.json, \"layer_types\": found [\"full_attention\"]; expected 3 entries, one per layer. {Correct}"],
        ["""{"model_type": "qwen2", "layer_types": ["full_attention", "full_attention", "sliding_attention"]}""",
            $"config.json, \"layer_types\": found [\"full_attention\",\"full_attention\",\"sliding_attention\"]; expected full_attention only, as "
                + $"there is no sliding window. {Correct}"],
        ["""{"layer_types": ["full_attention", "full_attention", "linear_attention"]}""",
            $"config.json, \"layer_types\": found [\"full_attention\",\"full_attention\",\"linear_attention\"]; expected full_attention or "
                + $"sliding_attention. {Correct}"],
    ];

    [TestMethod]
    [DynamicData(nameof(Malformed))]
    public void Load_ImpossibleConfiguration_IsRefusedByKeyAndValue(string changes, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("config.json", Config(changes));
        Assert.AreEqual(expected, folder.Refusal(() => ModelConfiguration.Load(path)));
    }

    [TestMethod]
    [DataRow("{\"model_type\": ", "config.json: found invalid JSON (")]
    [DataRow("[]", "config.json: found []; expected config.json of a model: one JSON object. Correct the file, or download it again.")]
    public void Load_FileThatIsNoJsonObject_IsRefused(string text, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("config.json", text);
        StringAssert.StartsWith(folder.Refusal(() => ModelConfiguration.Load(path)), expected);
    }

    [TestMethod]
    public void Validate_ConfigurationBuiltInCode_KeepsTheSameRules()
    {
        var c = Load("{}");
        c.Validate();
        using var folder = new TemporaryFolder();
        Assert.AreEqual("ModelConfiguration, \"num_key_value_heads\": found 3; expected a divisor of num_attention_heads, 4. "
            + CorrectConfiguration, folder.Refusal((c with { KeyValueHeadCount = 3 }).Validate));
        Assert.AreEqual($"ModelConfiguration, \"layer_types\": found 2 entries; expected 3, one per layer. {CorrectConfiguration}",
            folder.Refusal((c with { SlidingWindows = [0, 0] }).Validate));
        Assert.AreEqual($"ModelConfiguration, \"sliding_window\": found 7; expected none: llama attends to all positions. {CorrectConfiguration}",
            folder.Refusal((c with { SlidingWindows = [0, 7, 0] }).Validate));
        Assert.AreEqual($"ModelConfiguration, \"attention_bias\": found True for q, k, v and False for o; expected the same for q, k, v and o. "
            + $"{CorrectConfiguration}", folder.Refusal((c with { QkvBias = true }).Validate));
        Assert.AreEqual("ModelConfiguration, \"model_type\": found llama with QueryKeyNorm False, Norms Both, NormKind Rms; expected QueryKeyNorm "
            + $"False, Norms Before, NormKind Rms. {CorrectConfiguration}", folder.Refusal((c with { Norms = NormPlacement.Both }).Validate));
        Assert.AreEqual($"ModelConfiguration, \"final_logit_softcapping\": found 30; expected none: llama has no such soft cap. "
            + CorrectConfiguration, folder.Refusal((c with { LogitsSoftCap = 30 }).Validate));
        Assert.AreEqual("ModelConfiguration, \"rope_local_base_freq\": found 10000; expected rotary settings of layers with a sliding window in "
            + $"gemma3_text only. {CorrectConfiguration}", folder.Refusal((c with { SlidingRope = new() }).Validate));
        var gemma = Load("""{"model_type": "gemma2", "hidden_size": 64}""");
        gemma.Validate();
        Assert.AreEqual($"ModelConfiguration, \"EmbeddingMultiplier\": found 1; expected Math.Sqrt(HiddenSize) in gemma2. {CorrectConfiguration}",
            folder.Refusal((gemma with { EmbeddingMultiplier = 1 }).Validate));
    }

    [TestMethod]
    [DataRow("{}")]
    [DataRow("""
        {"tie_word_embeddings": true, "attention_bias": true, "mlp_bias": true, "head_dim": 16, "bos_token_id": 1, "eos_token_id": [2, 3]}
        """)]
    [DataRow("""
        {"rope_theta": 500000,
         "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 32}}
        """)]
    [DataRow("""{"rope_scaling": {"rope_type": "yarn", "factor": 8, "attention_factor": 1.5}, "eos_token_id": null}""")]
    [DataRow("""{"rope_scaling": {"rope_type": "yarn", "factor": 8, "truncate": false, "beta_fast": 16}}""")]
    [DataRow("""{"rope_scaling": {"type": "dynamic", "factor": 2.5}}""")]
    [DataRow("""{"model_type": "mistral", "sliding_window": 7}""")]
    [DataRow("""{"model_type": "mistral", "sliding_window": null}""")]
    [DataRow("""{"model_type": "qwen2", "use_sliding_window": true, "sliding_window": 7, "max_window_layers": 1}""")]
    [DataRow("""{"model_type": "qwen3", "head_dim": 16, "attention_bias": true}""")]
    [DataRow("""
        {"model_type": "granite", "embedding_multiplier": 12, "attention_multiplier": 0.0078125, "residual_multiplier": 0.22, "logits_scaling": 8}
        """)]
    [DataRow("""{"model_type": "smollm3", "no_rope_layers": [1, 1, 0], "tie_word_embeddings": false}""")]
    [DataRow("""{"model_type": "olmo2", "attention_bias": true}""")]
    [DataRow("""{"model_type": "mixtral", "num_local_experts": 6, "sliding_window": 7}""")]
    [DataRow("""{"model_type": "qwen3_moe", "num_experts": 6, "num_experts_per_tok": 3, "moe_intermediate_size": 24, "mlp_only_layers": [1]}""")]
    [DataRow("""{"model_type": "qwen3_moe", "norm_topk_prob": true, "use_sliding_window": true, "sliding_window": 7, "attention_bias": true}""")]
    [DataRow("""{"hidden_act": "gelu"}""")]
    [DataRow("""{"model_type": "gemma2", "query_pre_attn_scalar": 21, "attn_logit_softcapping": null, "final_logit_softcapping": 4.5}""")]
    [DataRow("""{"model_type": "gemma2", "query_pre_attn_scalar": 20.7, "tie_word_embeddings": false, "sliding_window": null}""")]
    [DataRow("""{"model_type": "gemma3_text", "sliding_window_pattern": 2, "rope_scaling": {"rope_type": "linear", "factor": 8}}""")]
    [DataRow("""
        {"model_type": "gemma3_text", "rope_parameters": {"full_attention": {"rope_theta": 5e5},
         "sliding_attention": {"rope_type": "linear", "factor": 2, "rope_theta": 2e4}}}
        """)]
    public void Load_WrittenConfiguration_ReadsBackAsItWas(string changes)
    {
        var c = Load(changes);
        using var folder = new TemporaryFolder();
        var read = ModelConfiguration.Load(folder.Write("config.json", ModelConfigurationWriter.ToJson(c, TensorType.BF16)));
        Assert.AreEqual("bfloat16", read.DataType);
        CollectionAssert.AreEqual(c.SlidingWindows.ToArray(), read.SlidingWindows.ToArray());
        CollectionAssert.AreEqual(c.EndOfSequenceIds.ToArray(), read.EndOfSequenceIds.ToArray());
        CollectionAssert.AreEqual(c.RotatedLayers?.ToArray(), read.RotatedLayers?.ToArray());
        CollectionAssert.AreEqual(c.Experts?.Layers?.ToArray(), read.Experts?.Layers?.ToArray());
        Assert.AreEqual(WithoutLists(c), WithoutLists(read));

        static ModelConfiguration WithoutLists(ModelConfiguration c) => c with
        {
            DataType = null, SlidingWindows = [], EndOfSequenceIds = [], RotatedLayers = null,
            Experts = c.Experts is { } experts ? experts with { Layers = null } : null,
        };
    }
}
