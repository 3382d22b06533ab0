using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class MergedModelTests
{
    private static readonly TokenSequence Sequence = new((int[])[3, 14, 15, 9, 26, 5, 30, 8, 2], 3);

    [TestMethod]
    public void MergeInto_OtherFiles_AreKeptByteForByteUnlessUntrue()
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder);
        string[] kept =
        [
            "additional_chat_templates/tool_use.jinja", "chat_template.jinja", "generation_config.json", "LICENSE", "merges.txt",
            "special_tokens_map.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json",
        ];
        foreach (var name in kept)
            folder.Write($"base/{name}", name.EndsWith("n_config.json", StringComparison.Ordinal) ? "{\r\n}" : $"{name}\r\n\u00e9");
        string[] left =
        [
            ".gitattributes", "README.md", "adapter_config.json", "model.safetensors.index.json", "nlft.json", "pytorch_model.bin", "model.gguf",
            "adapter/x.json",
        ];
        foreach (var name in left) folder.Write($"base/{name}", "{}");
        using var opened = ModelFolder.Open(folder.File("base"));
        Adapter(source).MergeInto(opened, folder.File("out/merged"));

        var merged = folder.Files().Select(file => file.Replace('\\', '/')).Where(file => file.StartsWith("out/", StringComparison.Ordinal))
            .ToArray();
        CollectionAssert.AreEquivalent(kept.Concat(["config.json", "model.safetensors"]).Select(name => $"out/merged/{name}").ToArray(), merged);
        foreach (var name in kept.Append("config.json"))
            CollectionAssert.AreEqual(File.ReadAllBytes(folder.File($"base/{name}")), File.ReadAllBytes(folder.File($"out/merged/{name}")), name);
    }

    [TestMethod]
    public void MergeInto_HeaderOfAnyOrderAndMetadata_IsKept()
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder);
        var header = System.Text.Encoding.UTF8.GetString(source.WeightFiles![0].HeaderJson.Span).TrimEnd();
        var other = header[..^1].Replace("\"format\":\"pt\"", "\"note\": \"\u00fc\", \"format\":  \"pt\"", StringComparison.Ordinal) + "}     ";
        var bytes = File.ReadAllBytes(source.WeightFiles![0].Path)[(8 + source.WeightFiles[0].HeaderJson.Length)..];
        var file = TemporaryFolder.Safetensors(other, bytes.Length);
        bytes.CopyTo(file, file.Length - bytes.Length);
        folder.Write("other/config.json", source.ConfigurationJson);
        folder.Write("other/model.safetensors", file);
        using var opened = ModelFolder.Open(folder.File("other"));
        Adapter(source).MergeInto(opened, folder.File("merged"));
        using var merged = ModelFolder.Open(folder.File("merged"));
        Assert.IsTrue(merged.WeightFiles![0].HeaderJson.Span.SequenceEqual(System.Text.Encoding.UTF8.GetBytes(other)));
        Assert.AreEqual("\u00fc", merged.WeightFiles![0].Metadata["note"]);
    }

    [TestMethod]
    public void MergeInto_TiedEmbeddingRepeatedInTheFile_IsUntouched()
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder);
        Assert.IsTrue(source.Configuration.TieWordEmbeddings);
        var embedding = source.RawTensor("model.embed_tokens.weight");
        SafetensorsWriter.Write(folder.File("repeated/model.safetensors"),
            source.TensorNames.Select(name => SafetensorsSource.From(source.RawTensor(name)))
            .Append(SafetensorsSource.From(embedding with { Name = "lm_head.weight" })));
        folder.Write("repeated/config.json", source.ConfigurationJson);
        using var opened = ModelFolder.Open(folder.File("repeated"));
        Adapter(source, """{"target_modules": "all-linear", "r": 2}""").MergeInto(opened, folder.File("merged"));
        using var merged = ModelFolder.Open(folder.File("merged"));
        foreach (var name in new[] { "model.embed_tokens.weight", "lm_head.weight" })
            Assert.IsTrue(embedding.Bytes.Span.SequenceEqual(merged.RawTensor(name).Bytes.Span), name);
    }

    /// <summary>Factors for one use of a matrix that serves two cannot be merged into it.</summary>
    [TestMethod]
    [DataRow("""{"target_modules": ["lm_head"], "r": 2}""", "lm_head")]
    [DataRow("""{"target_modules": ["embed_tokens", "q_proj"], "r": 2}""", "model.embed_tokens")]
    [DataRow("""{"target_modules": ["embed_tokens", "lm_head"], "r": 2}""", "model.embed_tokens")]
    public void MergeInto_FactorsOfATiedEmbedding_IsRefusedByName(string settings, string module)
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder);
        var refusal = folder.Refusal(() => Adapter(source, settings).MergeInto(source, folder.File("merged")));
        Assert.AreEqual($"adapter, \"{module}\": found factors for one use of a matrix that is embedding and output layer; expected a model with two "
            + "matrices. Use base model and adapter side by side.", refusal);
        Assert.IsFalse(Directory.Exists(folder.File("merged")));
    }

    /// <summary>A whole matrix of a tied model makes two of one, more rows make a larger vocabulary, in one file or in shards.</summary>
    [TestMethod]
    [DataRow("""{"target_modules": ["q_proj"], "r": 2, "modules_to_save": ["lm_head"]}""", 0, 1)]
    [DataRow("""{"target_modules": ["q_proj"], "r": 2, "modules_to_save": ["embed_tokens"]}""", 0, 1)]
    [DataRow("""{"target_modules": ["q_proj"], "r": 2, "modules_to_save": ["embed_tokens", "lm_head"]}""", 0, 3)]
    [DataRow("""{"target_modules": ["q_proj"], "r": 2}""", 3, 1)]
    [DataRow("""{"target_modules": ["q_proj"], "r": 2}""", 3, 2)]
    public void MergeInto_WholeMatrices_HasTheAdaptersScores(string settings, int added, int shards)
    {
        using var folder = new TemporaryFolder();
        using var single = Model(folder);
        if (shards > 1) Shards.Write(folder.File("shards"), single, shards);
        using var source = ModelFolder.Open(shards > 1 ? folder.File("shards") : single.Path);
        var adapter = Adapter(source, settings);
        var rows = TinyModels.Vocabulary + added;
        if (added > 0)
        {
            var values = Values(new Random(5), rows * TinyModels.Configuration.HiddenSize, TensorType.F32);
            adapter = new LoraAdapter(adapter.Configuration, [.. adapter.Factors, new("model.embed_tokens.weight", [rows, 12], values)]);
        }
        adapter.MergeInto(source, folder.File("merged"));
        NumberAssert.AreClose(Score(source.Path, adapter), [.. Score(folder.File("merged")).Select(p => (float)p)], 1e-4, settings);
        using var merged = ModelFolder.Open(folder.File("merged"));
        Assert.AreEqual((rows, added > 0), (merged.Configuration.VocabularySize, merged.Configuration.TieWordEmbeddings));
        Assert.AreEqual(added > 0, ModelConfiguration.Load(folder.File("merged")).TieWordEmbeddings);
        Assert.AreEqual(shards > 1, merged.IsSharded);
        if (added == 0) CollectionAssert.Contains(merged.TensorNames.ToArray(), "lm_head.weight");
    }

    [TestMethod]
    public void MergeInto_FolderNotFree_IsRefusedAndLeftAlone()
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder);
        var adapter = Adapter(source);
        var before = folder.Files();
        Assert.AreEqual("base: found the folder of the base model; expected another folder. Write the merged model beside the base model.",
            folder.Refusal(() => adapter.MergeInto(source, folder.File("base"))));
        Assert.AreEqual("base/: found the folder of the base model; expected another folder. Write the merged model beside the base model.",
            folder.Refusal(() => adapter.MergeInto(source, folder.File("base/"))).Replace('\\', '/'));
        Assert.AreEqual("base/config.json: found a file; expected no such folder yet, or an empty one. Name another folder, or empty this one.",
            folder.Refusal(() => adapter.MergeInto(source, folder.File("base/config.json"))).Replace('\\', '/'));
        Assert.AreEqual("FOLDER: found a folder that is not empty; expected no such folder yet, or an empty one. Name another folder, or empty this "
            + "one.",
            folder.Refusal(() => adapter.MergeInto(source, folder.Path)));
        CollectionAssert.AreEqual(before, folder.Files());

        Directory.CreateDirectory(folder.File("empty"));
        adapter.MergeInto(source, folder.File("empty/"));
        ModelFolder.Open(folder.File("empty")).Dispose();
    }

    [TestMethod]
    public void MergeInto_EndedEarly_LeavesNothing()
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder);
        var before = folder.Files();
        Assert.ThrowsExactly<OperationCanceledException>(() => Adapter(source)
            .MergeInto(source, folder.File("merged"), new CancellationToken(canceled: true)));
        var other = Adapter(source, """{"target_modules": ["up_proj"], "layers_to_transform": [0], "r": 2}""");
        StringAssert.Contains(folder.Refusal(() => new LoraAdapter(other.Configuration with { Layers = null }, other.Factors)
            .MergeInto(source, folder.File("merged"))),
            "adapter, tensor \"model.layers.1.mlp.up_proj.lora_A\": found no such factor");
        CollectionAssert.AreEqual(before, folder.Files());
        Assert.HasCount(1, Directory.GetDirectories(folder.Path), "no temporary folder stays");
    }

    [TestMethod]
    public void MergeInto_WeightBeyondItsType_IsNamed()
    {
        using var folder = new TemporaryFolder();
        using var source = Model(folder, TensorType.F16);
        var adapter = Adapter(source, """{"target_modules": ["up_proj"], "layers_to_transform": [1], "r": 1}""");
        foreach (var factor in adapter.Factors) Array.Clear(factor.Values);
        adapter.Factors[0].Values[4] = 300; // column 5 of A
        adapter.Factors[1].Values[2] = 300; // row 3 of B
        var message = folder.Refusal(() => adapter.MergeInto(source, folder.File("merged"))).Replace('\\', '/');
        StringAssert.StartsWith(message, "base/model.safetensors, tensor \"model.layers.1.mlp.up_proj.weight\", row 3, column 5, merged: found 7");
        StringAssert.EndsWith(
            message, "expected a number that F16 can hold. Keep base model and adapter apart, or merge into a copy of the base model in a type of "
            + "wider range.");
        Assert.HasCount(1, Directory.GetDirectories(folder.Path));
    }

    /// <summary>What others write: settings, and by hand which layers they mean, with rank and scaling.</summary>
    public static IEnumerable<object[]> Settings =>
    [
        ["""{"target_modules": ["up_proj", "down_proj"], "r": 2, "lora_alpha": 4"""
            + """, "rank_pattern": {"layers.1.mlp.up_proj": 3}, "alpha_pattern": {"down_proj": 9}}""",
            "0.mlp.up_proj 2 2; 1.mlp.up_proj 3 1.3333333333333333; 0.mlp.down_proj 2 4.5; 1.mlp.down_proj 2 4.5"],
        ["""{"target_modules": ["q_proj", "o_proj"], "r": 4, "lora_alpha": 6, "use_rslora": true}""",
            "0.self_attn.q_proj 4 3; 1.self_attn.q_proj 4 3; 0.self_attn.o_proj 4 3; 1.self_attn.o_proj 4 3"],
        ["""{"target_modules": ["up_proj"], "r": 4, "lora_alpha": 6, "use_rslora": true"""
            + """, "rank_pattern": {"up_proj": 9}, "alpha_pattern": {".*\\.1\\..*": 12}}""",
            "0.mlp.up_proj 9 2; 1.mlp.up_proj 9 4"],
        ["""{"target_modules": ".*\\.1\\.self_attn\\.(k|v)_proj", "r": 3, "lora_alpha": 6}""", "1.self_attn.k_proj 3 2; 1.self_attn.v_proj 3 2"],
        ["""{"target_modules": "all-linear", "r": 1, "lora_alpha": 2}""",
            "0.self_attn.q_proj 1 2; 0.self_attn.k_proj 1 2; 0.self_attn.v_proj 1 2; 0.self_attn.o_proj 1 2; 0.mlp.gate_proj 1 2; 0.mlp.up_proj 1 "
                + "2; 0.mlp.down_proj 1 2; "
            + "1.self_attn.q_proj 1 2; 1.self_attn.k_proj 1 2; 1.self_attn.v_proj 1 2; 1.self_attn.o_proj 1 2; 1.mlp.gate_proj 1 2; 1.mlp.up_proj 1 "
                + "2; 1.mlp.down_proj 1 2"],
        ["""{"target_modules": ["mlp.gate_proj", "v_proj"], "exclude_modules": ["layers.0.self_attn.v_proj"], "lora_alpha": 4}""",
            "0.mlp.gate_proj 8 0.5; 1.mlp.gate_proj 8 0.5; 1.self_attn.v_proj 8 0.5"],
        ["""{"target_modules": ["down_proj"], "layers_to_transform": 1, "r": 2, "lora_alpha": 2}""", "1.mlp.down_proj 2 1"],
        ["""{"lora_alpha": 8}""", "0.self_attn.q_proj 8 1; 1.self_attn.q_proj 8 1; 0.self_attn.v_proj 8 1; 1.self_attn.v_proj 8 1"],
    ];

    [TestMethod]
    [DynamicData(nameof(Settings))]
    public void MergeInto_AdapterOfOthers_ScoresAsItsProductsAddedByHand(string settings, string layers)
    {
        foreach (var type in new[] { TensorType.F32, TensorType.BF16 })
        {
            using var folder = new TemporaryFolder();
            using var source = Model(folder);
            var shapes = ModelLayout.LinearModules(source.Configuration).ToDictionary(linear => linear.Name);
            var random = new Random(5);
            var factors = new List<NamedTensor>();
            var sums = new Dictionary<string, float[]>();
            foreach (var (module, rank, scaling) in layers.Split("; ").Select(layer => layer.Split(' '))
                .Select(parts => ($"model.layers.{parts[0]}", int.Parse(parts[1]), double.Parse(parts[2]))))
            {
                var (rows, columns) = (shapes[module].Outputs, shapes[module].Inputs);
                var (a, b) = (Values(random, rank * columns, type), Values(random, rows * rank, type));
                factors.Add(new($"base_model.model.{module}.lora_A.weight", [rank, columns], a));
                factors.Add(new($"base_model.model.{module}.lora_B.weight", [rows, rank], b));
                var sum = source.RawTensor(module + ".weight").ToArray();
                for (var i = 0; i < sum.Length; i++)
                    sum[i] += (float)(scaling * Enumerable.Range(0, rank).Sum(k => (double)b[i / columns * rank + k] * a[k * columns + i % columns]));
                sums.Add(module + ".weight", sum);
            }
            folder.Write("adapter/adapter_config.json", WithType(settings));
            SafetensorsWriter.Write(folder.File("adapter/adapter_model.safetensors"), factors.Select(factor => SafetensorsSource.From(factor, type)));
            var adapter = LoraAdapter.Load(folder.File("adapter"));
            ModelFolderWriter.Copy(folder.File("by hand"), source, tensor => sums.GetValueOrDefault(tensor.Name));
            adapter.MergeInto(source, folder.File("merged"));

            var expected = Score(folder.File("by hand"));
            NumberAssert.AreClose(expected, Score(folder.File("base"), adapter).Select(p => (float)p).ToArray(), 1e-4, "the adapter on the engine");
            NumberAssert.AreClose(expected, Score(folder.File("merged")).Select(p => (float)p).ToArray(), 1e-4, "the merged model");
            Assert.IsGreaterThan(1e-3, expected.Zip(Score(folder.File("base")), (x, y) => Math.Abs(x - y)).Max(), "the adapter does something");
        }
    }

    private static float[] Values(Random random, int count, TensorType type)
    {
        var values = Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f).ToArray();
        var stored = new byte[count * type.ByteSize()];
        TensorConversion.FromSingle(type, values, stored);
        TensorConversion.ToSingle(type, stored, values);
        return values;
    }

    private static string WithType(string settings) => "{\"peft_type\": \"LORA\", " + settings[1..];

    private static double[] Score(string path, LoraAdapter? adapter = null)
    {
        using var folder = ModelFolder.Open(path);
        using var model = new ManagedEngine().Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        return [.. model.Score([Sequence])[0].LogProbabilities.Select(p => (double)p)];
    }

    private static ModelFolder Model(TemporaryFolder folder, TensorType type = TensorType.F32)
    {
        ModelInitializer.Create(folder.File("base"), TinyModels.Configuration, seed: 3, type);
        return ModelFolder.Open(folder.File("base"));
    }

    /// <summary>An adapter whose factors are all random.</summary>
    private static LoraAdapter Adapter(ModelFolder model, string settings = """{"target_modules": ["up_proj", "q_proj"], "r": 2}""")
    {
        using var folder = new TemporaryFolder();
        var (configuration, _) = LoraConfigurationJson.Load(folder.Write("adapter_config.json", WithType(settings)));
        var random = new Random(11);
        var adapter = LoraAdapter.Create(configuration, model, seed: 1);
        foreach (var factor in adapter.Factors) Values(random, factor.Values.Length, TensorType.F32).CopyTo(factor.Values, 0);
        return adapter;
    }
}
