using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Export;

/// <summary>What is written as GGUF reads as the same model; what llama.cpp does not compute is refused.</summary>
[TestClass]
public sealed class GgufExportTests
{
    private static readonly ModelConfiguration s_llama = new()
    {
        ModelType = "llama", VocabularySize = ByteModelFolder.Vocabulary, HiddenSize = 32, IntermediateSize = 64, LayerCount = 2, HeadCount = 4,
        KeyValueHeadCount = 2, HeadSize = 8, MaximumPositions = 128, SlidingWindows = [0, 0], EndOfSequenceIds = [257, ByteModelFolder.EndOfTurn],
    };

    private static readonly RopeConfiguration s_yarn = new() { Type = "yarn", Factor = 4, OriginalMaximumPositions = 32 };

    public static IEnumerable<object[]> Models =>
    [
        ["llama", s_llama],
        ["tied", s_llama with { TieWordEmbeddings = true }],
        ["biases", s_llama with { QkvBias = true, OutputBias = true, MlpBias = true }],
        ["linear", s_llama with { Rope = new() { Type = "linear", Factor = 4, Theta = 50000 } }],
        ["yarn", s_llama with { Rope = s_yarn }],
        [
            "llama3",
            s_llama with
            {
                Rope = new()
                {
                    Type = "llama3", Theta = 500000, Factor = 8, LowFrequencyFactor = 1, HighFrequencyFactor = 4, OriginalMaximumPositions = 8192,
                },
            }
        ],
        ["qwen2", s_llama with { ModelType = "qwen2", QkvBias = true }],
        ["qwen3", s_llama with { ModelType = "qwen3", HeadSize = 12, QueryKeyNorm = true }],
        [
            "granite",
            s_llama with { ModelType = "granite", EmbeddingMultiplier = 12, AttentionMultiplier = 0.5, ResidualMultiplier = 0.25, LogitsDivisor = 8 }
        ],
        ["olmo2", s_llama with { ModelType = "olmo2", Norms = NormPlacement.After, QueryKeyNorm = true }],
        ["mixtral", s_llama with { ModelType = "mixtral", Experts = new() { Count = 3, PerToken = 2, IntermediateSize = 64 } }],
        [
            "qwen3_moe",
            s_llama with { ModelType = "qwen3_moe", QueryKeyNorm = true, Experts = new() { Count = 5, PerToken = 2, IntermediateSize = 24 } }
        ],
        ["phi3", s_llama with { ModelType = "phi3", Rope = new() { RotatedShare = 0.75 } }],
        ["longrope", s_llama with { ModelType = "phi3", Rope = s_longRope }],
        ["longrope with a factor", s_llama with { ModelType = "phi3", Rope = s_longRope with { AttentionFactor = 1.25 } }],
        ["phi", s_layerNorm with { ModelType = "phi", KeyValueHeadCount = 2, ParallelResidual = true, Rope = new() { RotatedShare = 0.5 } }],
        [
            "gpt_neox",
            s_layerNorm with
            {
                ModelType = "gpt_neox", Activation = Activation.Gelu, ParallelResidual = true, Rope = new() { RotatedShare = 0.25 }
            }
        ],
        ["phi, 30 of 44", s_layerNorm with { ModelType = "phi", HeadSize = 44, HiddenSize = 176, ParallelResidual = true, Rope = s_thirty }],
        ["gpt_neox, sequential", s_layerNorm with { ModelType = "gpt_neox", Activation = Activation.Gelu }],
        ["gpt2", s_layerNorm with { ModelType = "gpt2", TieWordEmbeddings = true }],
        ["gpt2, own output layer", s_layerNorm with { ModelType = "gpt2" }],
    ];

    private static readonly ModelConfiguration s_layerNorm = s_llama with
    {
        KeyValueHeadCount = 4, NormKind = NormKind.Layer, Activation = Activation.GeluTanh, QkvBias = true, OutputBias = true, MlpBias = true,
    };

    private static readonly RopeConfiguration s_thirty = new() { RotatedShare = Math.BitIncrement(30 / 44.0) }; // 44 times the quotient is 29.99...

    private static readonly RopeConfiguration s_longRope = new()
    {
        Type = "longrope", Factor = 2, OriginalMaximumPositions = 64, ShortFactors = [1, 1.125, 1.25, 1.5], LongFactors = [1, 2, 3, 4.5],
    };

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void Write_Model_ReadsAsTheSameModel(string name, ModelConfiguration configuration)
    {
        using var source = Create(configuration);
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        GgufExport.Write(source, null, path, new() { Type = GgufType.F32 });
        using var written = ModelFolder.Open(path);
        foreach (var weight in ModelLayout.Weights(configuration))
            CollectionAssert.AreEqual(Values(source, weight), Values(written, weight), $"{name}, {weight.Name}");
        var read = written.Configuration;
        Assert.AreEqual(configuration.ModelType, read.ModelType);
        Assert.AreEqual(configuration.Rope.Type, read.Rope.Type);
        Assert.AreEqual(configuration.HeadSize, read.HeadSize);
        Assert.AreEqual(configuration.TieWordEmbeddings, read.TieWordEmbeddings);
        Assert.AreEqual(configuration.MaximumPositions, read.MaximumPositions);
        Assert.AreEqual(configuration.LogitsDivisor, read.LogitsDivisor, 1e-6);
        Assert.AreEqual(configuration.Activation, read.Activation);
        Assert.AreEqual(configuration.ParallelResidual, read.ParallelResidual);
        Assert.AreEqual(configuration.Experts, read.Experts);
        var size = configuration.HeadSize;
        var (wanted, found) = (RopeFrequencies.Of(configuration.Rope, size, 100), RopeFrequencies.Of(read.Rope, size, 100));
        NumberAssert.AreClose([.. wanted.Frequencies, wanted.Magnitude], [.. found.Frequencies.Append(found.Magnitude).Select(x => (float)x)], 1e-6,
            name);
        CollectionAssert.AreEquivalent(new[] { 257, ByteModelFolder.EndOfTurn }, written.EndOfSequenceIds.ToArray());
    }

    [TestMethod]
    public void Write_Tokenizer_GivesTheSameIdsAndTemplate()
    {
        using var source = Create(s_llama);
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        GgufExport.Write(source, null, path);
        var (before, after) = (HuggingFaceTokenizer.Load(source.Path), HuggingFaceTokenizer.Load(path));
        foreach (var text in new[] { "Hello world", "it's 12345", "\u00e9\u4f60\n\t x", "<|im_start|>user\nHi<|im_end|>", "" })
        {
            CollectionAssert.AreEqual(before.Encode(text, addSpecialTokens: true), after.Encode(text, addSpecialTokens: true), text);
            CollectionAssert.AreEqual(before.Encode(text, false, [Range.All]), after.Encode(text, false, [Range.All]), text);
        }
        Assert.AreEqual(ByteModelFolder.ChatMl, ChatTemplate.Load(path)!.Source);
        Assert.AreEqual("<s>", after.BeginningOfSequenceToken);
        Assert.AreEqual("</s>", after.EndOfSequenceToken);
    }

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void Write_WithAdapter_EqualsTheMergedModel(string name, ModelConfiguration configuration)
    {
        using var source = Create(configuration);
        var adapter = RandomAdapter(configuration);
        var folder = TinyModels.NewFolder();
        adapter.MergeInto(source, Path.Combine(folder, "merged"));
        GgufExport.Write(source, adapter, Path.Combine(folder, "model.gguf"), new() { Type = GgufType.F32 });
        using var merged = ModelFolder.Open(Path.Combine(folder, "merged"));
        using var written = ModelFolder.Open(Path.Combine(folder, "model.gguf"));
        foreach (var weight in ModelLayout.Weights(configuration))
            CollectionAssert.AreEqual(Values(merged, weight), Values(written, weight), $"{name}, {weight.Name}");
    }

    [TestMethod]
    [DataRow(GgufType.F16, "F16", "F16")]
    [DataRow(GgufType.BF16, "BF16", "BF16")]
    [DataRow(GgufType.Q8_0, "Q8_0", "Q8_0")]
    [DataRow(GgufType.Q4_0, "Q4_0", "Q8_0")]
    [DataRow(GgufType.Q6_K, "Q6_K", "Q6_K")]
    [DataRow(GgufType.Q4_K, "Q4_K", "Q6_K")]
    public void Write_Type_IsThatOfTheMatrices(GgufType type, string inLayers, string ofEmbedding)
    {
        using var source = Create(s_llama with { HiddenSize = 256, HeadSize = 64 });
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        GgufExport.Write(source, null, path, new() { Type = type });
        using var written = ModelFolder.Open(path);
        Assert.AreEqual(inLayers, written.StoredAs("model.layers.1.mlp.up_proj.weight").Type);
        Assert.AreEqual(ofEmbedding, written.StoredAs("model.embed_tokens.weight").Type);
        Assert.AreEqual(ofEmbedding, written.StoredAs("lm_head.weight").Type);
        Assert.AreEqual("F32", written.StoredAs("model.norm.weight").Type);
    }

    [TestMethod]
    [DataRow(GgufType.Q8_0, 32, 40, "Q8_0", "F16")]
    [DataRow(GgufType.Q4_0, 32, 40, "Q4_0", "F16")]
    [DataRow(GgufType.Q4_K, 32, 40, "Q8_0", "F16")]
    [DataRow(GgufType.Q4_K, 32, 256, "Q8_0", "Q4_K")]
    [DataRow(GgufType.Q6_K, 32, 512, "Q8_0", "Q6_K")]
    [DataRow(GgufType.Q6_K, 48, 320, "F16", "Q8_0")]
    public void Write_RowsThatBlocksDoNotFill_HaveAnotherType(GgufType type, int hidden, int intermediate, string ofUp, string ofDown)
    {
        using var source = Create(s_llama with { HiddenSize = hidden, IntermediateSize = intermediate });
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        GgufExport.Write(source, null, path, new() { Type = type });
        using var written = ModelFolder.Open(path);
        Assert.AreEqual(ofDown, written.StoredAs("model.layers.0.mlp.down_proj.weight").Type);
        Assert.AreEqual(ofUp, written.StoredAs("model.layers.0.mlp.up_proj.weight").Type);
    }

    [TestMethod]
    [DataRow(GgufType.F16)]
    [DataRow(GgufType.Q8_0)]
    [DataRow(GgufType.Q4_0)]
    public void Write_RoutersAndPositions_AreFloat32(GgufType type)
    {
        var mixture = s_llama with { ModelType = "mixtral", Experts = new() { Count = 3, PerToken = 2, IntermediateSize = 64 } };
        foreach (var (model, single, several) in new[]
        {
            (mixture, "model.layers.1.block_sparse_moe.gate.weight", "model.layers.1.block_sparse_moe.experts.2.w2.weight"),
            (s_layerNorm with { ModelType = "gpt2" }, "transformer.wpe.weight", "transformer.h.1.mlp.c_proj.weight"),
        })
        {
            using var source = Create(model);
            var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
            GgufExport.Write(source, null, path, new() { Type = type });
            using var written = ModelFolder.Open(path);
            Assert.AreEqual("F32", written.StoredAs(single).Type);
            Assert.AreEqual($"{type}", written.StoredAs(several).Type);
        }
    }

    [TestMethod]
    public void WriteAdapter_OfDora_IsRefused()
    {
        using var source = Create(s_llama);
        var configuration = new LoraConfiguration { Rank = 2, UseDora = true };
        var adapter = LoraAdapter.Create(configuration, source, seed: 1);
        Expect("adapter, as GGUF: found magnitudes (use_dora); expected factors A and B of single matrices alone",
            () => GgufExport.WriteAdapter(adapter, source, Path.Combine(TinyModels.NewFolder(), "a.gguf")));
    }

    [TestMethod]
    public void WriteAdapter_OfExperts_IsRefused()
    {
        var mixture = s_llama with { ModelType = "mixtral", Experts = new() { Count = 3, PerToken = 2, IntermediateSize = 64 } };
        using var source = Create(mixture);
        var experts = new LoraConfiguration { Rank = 2, Dropout = 0, TargetModules = [], TargetParameters = ["mlp.experts.gate_up_proj"] };
        var adapter = LoraAdapter.Create(experts, source, seed: 1);
        Expect("adapter, as GGUF: found factors of the experts \"model.layers.0.mlp.experts.gate_up_proj\"; expected factors A and B of single ",
            () => GgufExport.WriteAdapter(adapter, source, Path.Combine(TinyModels.NewFolder(), "a.gguf")));
    }

    [TestMethod]
    public void Write_AdapterThatUntiesTheOutputLayer_IsRefused()
    {
        using var source = Create(s_llama with { TieWordEmbeddings = true });
        var adapter = LoraAdapter.Create(new LoraConfiguration { Rank = 2, ModulesToSave = ["embed_tokens"] }, source, seed: 1);
        var folder = TinyModels.NewFolder();
        Expect("adapter, as GGUF: found an embedding or an output layer that the model does not have; expected the model's own shapes",
            () => GgufExport.Write(source, adapter, Path.Combine(folder, "model.gguf")));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder));
    }

    public static IEnumerable<object[]> Refused =>
    [
        [s_llama with { Rope = s_yarn with { BetaFast = 16 } }, "beta_fast, as GGUF: found 16; expected 32"],
        [
            s_llama with { Rope = s_yarn with { AttentionFactor = 1 } },
            "attention_factor, as GGUF: found 1; expected 1.138629"
        ],
        [s_llama with { Rope = s_yarn with { Truncate = false } }, "truncate, as GGUF: found false"],
        [
            s_llama with { ModelType = "qwen2", QkvBias = true, Rope = new() { Type = "llama3", Factor = 8 } },
            "rope_type, as GGUF: found \"llama3\" of a qwen2; expected default, linear, dynamic or yarn"
        ],
        [
            s_llama with { ModelType = "smollm3", RotatedLayers = [true, false] },
            "no_rope_layers, as GGUF: found other layers than every fourth; expected every fourth layer without rotation"
        ],
        [
            s_llama with { ModelType = "qwen3", QueryKeyNorm = true, QkvBias = true, OutputBias = true },
            "attention_bias, as GGUF: found true for a qwen3"
        ],
        [
            s_llama with
            {
                ModelType = "qwen3_moe", QueryKeyNorm = true,
                Experts = new() { Count = 3, PerToken = 1, IntermediateSize = 8, Layers = [false, true] },
            },
            "mlp_only_layers, as GGUF: found layers without experts; expected experts in every layer"
        ],
        [
            s_llama with
            {
                ModelType = "qwen3_moe", QueryKeyNorm = true,
                Experts = new() { Count = 3, PerToken = 2, IntermediateSize = 8, NormalizeWeights = false },
            },
            "norm_topk_prob, as GGUF: found false; expected true"
        ],
        [s_llama with { ModelType = "phi3", HeadSize = 12 }, "head_dim, as GGUF: found 12; expected hidden_size / num_attention_heads"],
        [
            s_layerNorm with { ModelType = "gpt_neox", Activation = Activation.Gelu, QkvBias = false, OutputBias = false },
            "attention_bias, as GGUF: found false; expected true"
        ],
        [s_llama with { Activation = Activation.Gelu }, "hidden_act, as GGUF: found \"gelu\"; expected \"silu\""],
        [
            s_layerNorm with { ModelType = "gpt2", Activation = Activation.Gelu },
            "activation_function, as GGUF: found \"gelu\"; expected \"gelu_pytorch_tanh\""
        ],
    ];

    [TestMethod]
    [DynamicData(nameof(Refused))]
    public void Write_WhatLlamaCppDoesNotCompute_IsRefusedByName(ModelConfiguration configuration, string message)
    {
        using var source = Create(configuration);
        var folder = TinyModels.NewFolder();
        Expect(message, () => GgufExport.Write(source, null, Path.Combine(folder, "model.gguf")));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder));
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("bert", "model.type\", as GGUF: found \"WordPiece\"; expected BPE")]
    [DataRow("t5", "model.type\", as GGUF: found \"Unigram\"; expected BPE")]
    [DataRow("bpe-end-of-word", "model.end_of_word_suffix\", as GGUF: found \"</w>\"; expected null")]
    [DataRow("bpe-continuing-prefix", "model.continuing_subword_prefix\", as GGUF: found \"##\"; expected null")]
    [DataRow("gpt2-prefix-space", "\"pre_tokenizer\", as GGUF")]
    [DataRow("added-token-flags", "\"normalizer\", as GGUF")]
    [DataRow("bpe-unk-fused", "\"normalizer\", as GGUF")]
    [DataRow("gpt4o", "\"pre_tokenizer\", as GGUF")] // llama.cpp splits alike and does not ignore merges
    [DataRow("metaspace-first-split", "\"pre_tokenizer\", as GGUF")]
    [DataRow("post-two-tokens", "\"post_processor\", as GGUF")]
    [DataRow("gemma", "\"model.merges\", as GGUF: found no merge that makes")]
    public void Write_TokenizerThatLlamaCppDoesNotHave_IsRefusedByName(string tokenizer, string message)
    {
        var path = Fixtures.Path_("golden", "tokenizers", tokenizer);
        if (!Directory.Exists(path)) Assert.Inconclusive("the shared test data are not there");
        var rows = HuggingFaceTokenizer.Load(path).VocabularySize;
        using var model = TinyModels.Create(1, s_llama with { VocabularySize = rows, EndOfSequenceIds = [0] });
        foreach (var file in Directory.GetFiles(path, "*.json").Where(file => !file.EndsWith("expected.json", StringComparison.Ordinal)))
            File.Copy(file, Path.Combine(model.Path, Path.GetFileName(file)));
        Expect(message, () => GgufExport.Write(model, null, Path.Combine(TinyModels.NewFolder(), "model.gguf")));
    }

    /// <summary>The file's context ends where the sliding window or the change of frequencies begins.</summary>
    [TestMethod]
    public void Write_WindowOrDynamicScaling_ShortensTheContext()
    {
        ModelConfiguration[] models =
        [
            s_llama with { ModelType = "mistral", SlidingWindows = [48, 48] },
            s_llama with { Rope = new() { Type = "dynamic", Factor = 2, OriginalMaximumPositions = 48 }, MaximumPositions = 96 },
        ];
        foreach (var model in models)
        {
            using var source = Create(model);
            var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
            GgufExport.Write(source, null, path);
            using var written = ModelFolder.Open(path);
            Assert.AreEqual(48, written.Configuration.MaximumPositions);
            Assert.AreEqual("llama", written.Configuration.ModelType);
        }
    }

    [TestMethod]
    public void Write_FileThatExists_IsReplacedOnlyOnRequest()
    {
        using var source = Create(s_llama);
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        File.WriteAllText(path, "kept");
        Expect("model.gguf: found a file that exists; expected a new file", () => GgufExport.Write(source, null, path));
        Assert.AreEqual("kept", File.ReadAllText(path));
        GgufExport.Write(source, null, path, new() { Overwrite = true });
        using var written = ModelFolder.Open(path);
        Expect("found the base model's own file; expected another file", () => GgufExport.Write(written, null, path, new() { Overwrite = true }));
        Expect("found a folder; expected the path of a file", () => GgufExport.Write(source, null, Path.GetDirectoryName(path)!));
    }

    [TestMethod]
    [DataRow(GgufType.F16, 70000f, "70000; expected a number that F16 can hold")]
    [DataRow(GgufType.F32, float.NaN, "NaN; expected a number that F32 can hold")]
    [DataRow(GgufType.BF16, float.PositiveInfinity, "Infinity; expected a number that BF16 can hold")]
    [DataRow(GgufType.Q4_0, 600000f, "600000; expected a number that Q4_0 can hold")]
    [DataRow(GgufType.Q8_0, -9e6f, "-9000000; expected a number that Q8_0 can hold")]
    [DataRow(GgufType.Q6_K, 2e8f, "200000000; expected a number that Q6_K can hold")]
    [DataRow(GgufType.Q4_K, -3e6f, "-3000000; expected a number that Q4_K can hold")]
    public void Write_WeightBeyondTheType_IsRefusedWithItsPlace(GgufType type, float value, string message)
    {
        using var plain = Create(s_llama with { IntermediateSize = 256 });
        using var source = Change(plain, (name, values) =>
        {
            if (name == "model.layers.1.mlp.down_proj.weight") values[256 + 3] = value;
        });
        var folder = TinyModels.NewFolder();
        Expect($"tensor \"model.layers.1.mlp.down_proj.weight\", row 2, column 4, as GGUF: found {message}",
            () => GgufExport.Write(source, null, Path.Combine(folder, "model.gguf"), new() { Type = type }));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder));
    }

    [TestMethod]
    public void Write_TypeThatIsNotWritten_IsRefused()
    {
        using var source = Create(s_llama);
        Expect("option Type: found Q5_K; expected F32, F16, BF16, Q8_0, Q6_K, Q4_K or Q4_0",
            () => GgufExport.Write(source, null, Path.Combine(TinyModels.NewFolder(), "m.gguf"), new() { Type = GgufType.Q5_K }));
    }

    [TestMethod]
    public void Write_Cancelled_LeavesNothing()
    {
        using var source = Create(s_llama);
        var folder = TinyModels.NewFolder();
        Assert.ThrowsExactly<OperationCanceledException>(
            () => GgufExport.Write(source, null, Path.Combine(folder, "m.gguf"), cancellationToken: new CancellationToken(canceled: true)));
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder));
    }

    [TestMethod]
    public void Write_Modelfile_NamesTheFileAndTheEndTokens()
    {
        using var source = Create(s_llama);
        var folder = TinyModels.NewFolder();
        var modelfile = Path.Combine(folder, "Modelfile");
        GgufExport.Write(source, null, Path.Combine(folder, "first.gguf"));
        GgufExport.Write(source, null, Path.Combine(folder, "word problems.gguf"));
        Assert.AreEqual("""
            # Written by Microsoft.ML.Nlft.
            FROM ./word problems.gguf
            PARAMETER stop "</s>"
            PARAMETER stop "<|im_end|>"

            """.ReplaceLineEndings("\n"), File.ReadAllText(modelfile));
        File.WriteAllText(modelfile, "FROM ./mine.gguf\n");
        GgufExport.Write(source, null, Path.Combine(folder, "third.gguf"));
        Assert.AreEqual("FROM ./mine.gguf\n", File.ReadAllText(modelfile), "a file of the user's own is kept");
        File.Delete(modelfile);
        GgufExport.Write(source, null, Path.Combine(folder, "fourth.gguf"), new() { Modelfile = false });
        Assert.IsFalse(File.Exists(modelfile));
    }

    [TestMethod]
    public void SaveGguf_LocalModel_WritesTheTrainedWeights()
    {
        using var source = Create(s_llama);
        var folder = TinyModels.NewFolder();
        using var model = LocalModel.Load(source.Path, new() { Trainable = TrainableWeights.All });
        var weights = model.Network.Export(ModelState.Weights);
        model.Network.Import(ModelState.Weights,
            [.. weights.Select(tensor => tensor with { Values = Array.ConvertAll(tensor.Values, x => x * 2) })]);
        model.SaveGguf(Path.Combine(folder, "model.gguf"), new() { Type = GgufType.F32 });
        using var written = ModelFolder.Open(Path.Combine(folder, "model.gguf"));
        foreach (var weight in ModelLayout.Weights(s_llama))
            CollectionAssert.AreEqual(Array.ConvertAll(Values(source, weight), x => x * 2), Values(written, weight), weight.Name);
    }

    private static ModelFolder Create(ModelConfiguration configuration)
    {
        using var tokenizer = new ByteModelFolder();
        using var fresh = TinyModels.Create(4, configuration);
        var random = new Random(7);
        var model = Change(fresh, (name, values) =>
        {
            if (values.Length > 2 * configuration.HiddenSize * 2) return;
            for (var i = 0; i < values.Length; i++) values[i] += random.NextSingle() - 0.5f; // norms and biases that differ from 1 and 0
        });
        foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(tokenizer.Path, file), Path.Combine(model.Path, file));
        return model;
    }

    private static ModelFolder Change(ModelFolder source, Action<string, float[]> change)
    {
        var changed = TinyModels.Rewrite(source, TensorType.F32, (name, values, _) =>
        {
            change(name, values);
            return values;
        });
        foreach (var file in Directory.GetFiles(source.Path, "tokenizer*")) File.Copy(file, Path.Combine(changed.Path, Path.GetFileName(file)));
        return changed;
    }

    private static LoraAdapter RandomAdapter(ModelConfiguration configuration)
    {
        using var model = TinyModels.Create(4, configuration);
        var fresh = LoraAdapter.Create(new() { Rank = 3, TargetPattern = LoraConfiguration.AllLinear }, model, seed: 2);
        var random = new Random(5);
        return new(fresh.Configuration,
            [.. fresh.Factors.Select(factor => factor with { Values = Array.ConvertAll(factor.Values, x => x + random.NextSingle() * 0.1f) })]);
    }

    private static float[] Values(ModelFolder model, WeightShape weight) => model.Tensor(weight.Name, weight.Shape).ToArray();

    private static void Expect(string message, Action action) => Assert.Contains(message, Assert.ThrowsExactly<NlftException>(action).Message);
}
