using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class ModelFolderTests
{
    private static ModelConfiguration Configuration(TemporaryFolder folder, string changes = "{}") =>
        ModelConfiguration.Load(folder.Write("configuration.json", ModelConfigurationTests.Config(changes)));

    /// <summary>A model in one file below the folder; its path.</summary>
    private static string Create(TemporaryFolder folder, string changes = "{}", TensorType type = TensorType.F32)
    {
        var path = folder.File("model");
        ModelInitializer.Create(path, Configuration(folder, changes), seed: 7, type);
        return path;
    }

    /// <summary>The same model in two shards.</summary>
    private static string CreateShards(TemporaryFolder folder, Action<JsonObject>? changeMap = null, Func<string, bool>? leaveOut = null)
    {
        using var model = ModelFolder.Open(Create(folder));
        var path = folder.File("sharded");
        var map = new JsonObject();
        var shards = model.TensorNames.GroupBy(name =>
            name.Contains(".layers.", StringComparison.Ordinal) ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors");
        foreach (var shard in shards)
        {
            SafetensorsWriter.Write(Path.Combine(path, shard.Key),
                shard.Where(name => leaveOut?.Invoke(name) != true).Select(name => SafetensorsSource.From(model.RawTensor(name))));
            foreach (var name in shard) map[name] = shard.Key;
        }
        changeMap?.Invoke(map);
        folder.Write("sharded/config.json", model.ConfigurationJson);
        folder.Write("sharded/model.safetensors.index.json",
            new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 1 }, ["weight_map"] = map }.ToJsonString());
        return path;
    }

    [TestMethod]
    public void Tensor_ShapeAndType_AreThoseOfTheFile()
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(Create(folder, type: TensorType.BF16));
        var tensor = model.Tensor("model.layers.2.self_attn.k_proj.weight", 16, 32);
        Assert.AreEqual((TensorType.BF16, 16 * 32 * 2), (tensor.Type, tensor.Bytes.Length));
        Assert.HasCount(3 * 9 + 3, model.TensorNames);
        Assert.AreEqual("model/model.safetensors, tensor \"model.norm.weight\": found shape [32]; expected [16]. Check that config.json belongs to "
            + "the weights.",
            folder.Refusal(() => model.Tensor("model.norm.weight", 16)).Replace('\\', '/'));
    }

    [TestMethod]
    public void Open_Shards_AreOneModel()
    {
        using var folder = new TemporaryFolder();
        using var sharded = ModelFolder.Open(CreateShards(folder));
        using var single = ModelFolder.Open(folder.File("model"));
        CollectionAssert.AreEquivalent(single.TensorNames.ToArray(), sharded.TensorNames.ToArray());
        foreach (var name in single.TensorNames)
            Assert.IsTrue(single.RawTensor(name).Bytes.Span.SequenceEqual(sharded.RawTensor(name).Bytes.Span), name);
        Assert.AreNotEqual(single.Fingerprint, sharded.Fingerprint);
    }

    [TestMethod]
    public void Fingerprint_OtherValuesOrTypes_IsThatOfConfigurationAndHeaders()
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(Create(folder));
        Assert.MatchesRegex("^[0-9a-f]{64}$", model.Fingerprint);
        ModelInitializer.Create(folder.File("other seed"), model.Configuration, seed: 8);
        using (var other = ModelFolder.Open(folder.File("other seed"))) Assert.AreEqual(model.Fingerprint, other.Fingerprint, "values do not count");
        ModelInitializer.Create(folder.File("other type"), model.Configuration, seed: 7, TensorType.BF16);
        using (var other = ModelFolder.Open(folder.File("other type"))) Assert.AreNotEqual(model.Fingerprint, other.Fingerprint);
    }

    [TestMethod]
    public void GenerationDefaults_AreReadBesideTheConfiguration()
    {
        using var folder = new TemporaryFolder();
        var path = Create(folder, """{"eos_token_id": 2}""");
        using (var model = ModelFolder.Open(path))
        {
            Assert.IsNull(model.GenerationDefaults);
            CollectionAssert.AreEqual(new[] { 2 }, model.EndOfSequenceIds.ToArray());
        }
        folder.Write("model/generation_config.json", """
            {"eos_token_id": [5, 2], "do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20, "repetition_penalty": 1.1,
             "max_new_tokens": 64}
            """);
        using (var model = ModelFolder.Open(path))
        {
            CollectionAssert.AreEqual(new[] { 5, 2 }, model.EndOfSequenceIds.ToArray());
            Assert.AreEqual(new GenerationDefaults { DoSample = true, Temperature = 0.6, TopP = 0.9, TopK = 20, RepetitionPenalty = 1.1,
                MaximumNewTokens = 64 },
                model.GenerationDefaults! with { EndOfSequenceIds = new GenerationDefaults().EndOfSequenceIds });
        }
    }

    /// <summary>As transformers' generate does: generation_config.json alone where there is one, even without eos_token_id.</summary>
    [TestMethod]
    [DataRow(null, "2")]
    [DataRow("""{"eos_token_id": 5}""", "5")]
    [DataRow("""{"eos_token_id": [7, 5]}""", "7,5")]
    [DataRow("""{"eos_token_id": []}""", "")]
    [DataRow("""{"eos_token_id": null}""", "")]
    [DataRow("""{"temperature": 0.5}""", "")]
    public void EndOfSequenceIds_OfAFolder_AreThoseThatStopGenerate(string? generationConfig, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = Create(folder, """{"eos_token_id": 2}""");
        if (generationConfig is not null) folder.Write("model/generation_config.json", generationConfig);
        using var model = ModelFolder.Open(path);
        Assert.AreEqual(expected, string.Join(",", model.EndOfSequenceIds));
    }

    [TestMethod]
    [DataRow("""{"temperature": -1}""", "\"temperature\": found -1; expected a number of at least 0.")]
    [DataRow("""{"top_p": 1.5}""", "\"top_p\": found 1.5; expected a number from 0 to 1.")]
    [DataRow("""{"top_k": 2.5}""", "\"top_k\": found 2.5; expected an integer from -2147483648 to 2147483647.")]
    [DataRow("""{"repetition_penalty": 0}""", "\"repetition_penalty\": found 0; expected a number above 0.")]
    [DataRow("""{"eos_token_id": [1, "2"]}""", "\"eos_token_id\": found [1, \"2\"]; expected an integer or a list of integers.")]
    [DataRow("""{"max_new_tokens": 0}""", "\"max_new_tokens\": found 0; expected an integer of at least 1.")]
    [DataRow("""{"do_sample": "yes"}""", "\"do_sample\": found \"yes\"; expected true or false.")]
    public void GenerationDefaults_ImpossibleValues_AreRefused(string json, string expected)
    {
        using var folder = new TemporaryFolder();
        folder.Write("generation_config.json", json);
        Assert.AreEqual($"generation_config.json, {expected} Correct the value, or take the file that belongs to the model.",
            folder.Refusal(() => GenerationDefaults.Read(new FolderDocuments(folder.Path).Json("generation_config.json")!.Value)));
    }

    [TestMethod]
    public void Open_FolderWithoutUsableFiles_IsRefusedWithWhatToDo()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("none: found no such folder; expected a folder with config.json, model.safetensors and tokenizer.json. Check the path, or "
            + "download the model there.",
            folder.Refusal(() => ModelFolder.Open(folder.File("none"))));
        Assert.AreEqual("config.json: found no such file; expected config.json of a model. Name the folder that holds the model's files.",
            folder.Refusal(() => ModelFolder.Open(folder.Path)));
        folder.Write("adapter_config.json", "{}");
        Assert.AreEqual("FOLDER: found an adapter: adapter_config.json without config.json; expected the folder of a model. Name the adapter's base "
            + "model here, and the adapter beside it (LocalModelOptions.Adapter; nlft: --model MODEL --adapter FOLDER).",
            folder.Refusal(() => ModelFolder.Open(folder.Path)));
        folder.Write("config.json", ModelConfigurationTests.Config());
        Assert.AreEqual("FOLDER: found no weights; expected model.safetensors or model.safetensors.index.json. Name the folder that holds the "
            + "model's weights, or download them.",
            folder.Refusal(() => ModelFolder.Open(folder.Path)));
        foreach (var name in (string[])["pytorch_model.bin", "model.pt", "consolidated.00.pth"])
        {
            folder.Write(name, "PK");
            Assert.AreEqual($"{name}: found weights in another format; expected model.safetensors or model.safetensors.index.json. Download the "
                + "safetensors files, or convert: "
                + "in Python, AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True).",
                    folder.Refusal(() => ModelFolder.Open(folder.Path)));
            File.Delete(folder.File(name));
        }
    }

    [TestMethod]
    public void Open_WeightsNotMatchingConfiguration_AreRefused()
    {
        using var folder = new TemporaryFolder();
        var path = Create(folder);
        Assert.AreEqual("model, tensor \"model.layers.3.input_layernorm.weight\": found no such tensor; expected one of shape [32] in the weight "
            + "files. "
            + "Check that config.json belongs to the weights, or download the model's files again.", Reconfigured("""{"num_hidden_layers": 4}"""));
        Assert.AreEqual("model/model.safetensors, tensor \"model.embed_tokens.weight\": found shape [97, 32]; expected [98, 32]. Check that "
            + "config.json belongs to the weights.",
            Reconfigured("""{"vocab_size": 98}"""));
        ModelInitializer.Create(path, Configuration(folder, """{"tie_word_embeddings": true}"""), seed: 1);
        Assert.AreEqual("model, tensor \"lm_head.weight\": found no such tensor; expected one of shape [97, 32] in the weight files. "
            + "Set tie_word_embeddings to true in config.json if the model shares its embedding matrix, else download its files again.",
                Reconfigured("{}"));
        SafetensorsWriter.Write(Path.Combine(path, "model.safetensors"),
            [new SafetensorsSource("model.embed_tokens.weight", TensorType.I8, [97, 32], stream => stream.Write(new byte[97 * 32]))]);
        Assert.AreEqual("model/model.safetensors, tensor \"model.embed_tokens.weight\": found element type I8; expected F32, F16, BF16 or F64. Use "
            + "the model's unquantised weights.", Reconfigured("{}"));

        string Reconfigured(string changes)
        {
            folder.Write("model/config.json", ModelConfigurationTests.Config(changes));
            return folder.Refusal(() => ModelFolder.Open(path)).Replace('\\', '/');
        }
    }

    public static IEnumerable<object[]> BrokenShards =>
    [
        [(Action<JsonObject>)(map => map["model.norm.weight"] = "../model/model.safetensors"),
            "model.safetensors.index.json, \"weight_map.model.norm.weight\": found \"../model/model.safetensors\"; expected the name of a file in "
                + "the folder itself, without a path. Put the shards into the model's folder and name them without a path."],
        [(Action<JsonObject>)(map => map["model.norm.weight"] = "model\0.safetensors"),
            "expected the name of a file in the folder itself, without a path. Put the shards into the model's folder and name them without a "
                + "path."],
        [(Action<JsonObject>)(map => map["model.norm.weight"] = 2),
            "model.safetensors.index.json, \"weight_map.model.norm.weight\": found 2; expected a string. Correct the value, or take the file that "
                + "belongs to the model."],
        [(Action<JsonObject>)(map => map["model.norm.weight"] = "model-00003-of-00002.safetensors"),
            "model-00003-of-00002.safetensors: found no such file; expected a shard that model.safetensors.index.json names for 1 tensors. Download "
                + "the model's files again."],
        [(Action<JsonObject>)(map => map["model.norm.weight"] = "model-00001-of-00002.safetensors"),
            "tensor \"model.norm.weight\": found a tensor that model.safetensors.index.json places in model-00001-of-00002.safetensors; expected "
                + "shards as the index names them. Download the model's files again."],
        [(Action<JsonObject>)(map => map["x"] = "model-00009-of-00002.safetensors"),
            "model-00009-of-00002.safetensors: found no such file; expected a shard that model.safetensors.index.json names for 1 tensors. Download "
                + "the model's files again."],
        [(Action<JsonObject>)(map => map.Remove("lm_head.weight")),
            "model-00002-of-00002.safetensors, tensor \"lm_head.weight\": found a tensor that model.safetensors.index.json does not name; expected "
                + "shards as the index names them. Download the model's files again."],
        [(Action<JsonObject>)(map => map.Clear()),
            "model.safetensors.index.json, \"weight_map\": found {}; expected at least one tensor. Download the model's files again."],
    ];

    [TestMethod]
    [DynamicData(nameof(BrokenShards))]
    public void Open_IndexNotMatchingShards_IsRefused(Action<JsonObject> change, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = CreateShards(folder, change);
        StringAssert.EndsWith(folder.Refusal(() => ModelFolder.Open(path)), expected);
    }

    public static IEnumerable<object[]> HarmlessIndexes =>
    [
        [(Action<JsonObject>)(map => map["model.layers.0.self_attn.rotary_emb.inv_freq"] = "model-00002-of-00002.safetensors"), ""],
        [(Action<JsonObject>)(map => map["visual.patch_embed.weight"] = "model-00001-of-00002.safetensors"), ""],
        [(Action<JsonObject>)(_ => { }), "model.layers.0.self_attn.rotary_emb.inv_freq"],
        [(Action<JsonObject>)(map => map["extra"] = "model-00001-of-00002.safetensors"), "extra"],
        [(Action<JsonObject>)(map => map["extra"] = "model-00002-of-00002.safetensors"), "extra"],
    ];

    /// <summary>An index may name tensors that no file holds, and a file may hold tensors that the index does not name or places elsewhere.</summary>
    [TestMethod]
    [DynamicData(nameof(HarmlessIndexes))]
    public void Open_IndexThatErrsAboutTensorsOfNoLayer_IsRead(Action<JsonObject> change, string extra)
    {
        using var folder = new TemporaryFolder();
        var path = CreateShards(folder, change);
        if (extra.Length > 0)
        {
            var file = Path.Combine(path, "model-00001-of-00002.safetensors");
            List<SafetensorsSource> tensors;
            using (var shard = SafetensorsFile.Open(file)) tensors = [.. shard.Entries.Select(entry => Stored(shard.Tensor(entry.Name)))];
            SafetensorsWriter.Write(file, tensors.Append(SafetensorsSource.From(new NamedTensor(extra, [2], [1, 2]), TensorType.F32)));
        }
        using var sharded = ModelFolder.Open(path);
        using var single = ModelFolder.Open(folder.File("model"));
        foreach (var weight in ModelLayout.Weights(single.Configuration))
        {
            CollectionAssert.AreEqual(single.Tensor(weight.Name, weight.Shape).ToArray(), sharded.Tensor(weight.Name, weight.Shape).ToArray(),
                weight.Name);
        }
        Assert.AreEqual(extra.Length > 0, sharded.TensorNames.Count > single.TensorNames.Count);

        static SafetensorsSource Stored(TensorData tensor)
        {
            var bytes = tensor.Bytes.ToArray();
            return new SafetensorsSource(tensor.Name, tensor.Type, tensor.Shape, stream => stream.Write(bytes));
        }
    }

    [TestMethod]
    public void Open_MissingOrRepeatedTensorOfShards_IsNamed()
    {
        using var folder = new TemporaryFolder();
        var path = CreateShards(folder, leaveOut: name => name == "lm_head.weight");
        StringAssert.EndsWith(folder.Refusal(() => ModelFolder.Open(path)),
            "model-00002-of-00002.safetensors, tensor \"lm_head.weight\": found no such tensor; expected the tensor, as "
                + "model.safetensors.index.json places it there. Download the model's files again.");
        folder.Write("sharded/model.safetensors.index.json", """{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}""");
        StringAssert.EndsWith(folder.Refusal(() => ModelFolder.Open(path)),
            "\"weight_map.a\": found the key twice, the second time in line 1, column 39; expected each key once. Remove one of them.");
        folder.Write("sharded/model.safetensors.index.json", "{}");
        StringAssert.EndsWith(folder.Refusal(() => ModelFolder.Open(path)),
            "\"weight_map\": found no such key; expected an object of tensor and file names. Download the model's files again.");
    }

    [TestMethod]
    public void Create_NewModel_IsNormalWithScaledResidualProjections()
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(Create(folder, """{"hidden_size": 64, "intermediate_size": 256, "attention_bias": true}"""));
        Assert.AreEqual(0.02, Deviation(model.Tensor("model.embed_tokens.weight", 97, 64)), 0.001);
        Assert.AreEqual(0.02, Deviation(model.Tensor("model.layers.1.mlp.up_proj.weight", 256, 64)), 0.001);
        Assert.AreEqual(0.02 / Math.Sqrt(6), Deviation(model.Tensor("model.layers.1.mlp.down_proj.weight", 64, 256)), 0.0005);
        Assert.AreEqual(0.02 / Math.Sqrt(6), Deviation(model.Tensor("model.layers.1.self_attn.o_proj.weight", 64, 64)), 0.0005);
        Assert.IsTrue(model.Tensor("model.norm.weight", 64).ToArray().All(value => value == 1));
        Assert.IsTrue(model.Tensor("model.layers.0.self_attn.o_proj.bias", 64).ToArray().All(value => value == 0));

        static double Deviation(TensorData tensor)
        {
            var values = tensor.ToArray();
            Assert.AreEqual(0, values.Average(value => (double)value), 0.002);
            return Math.Sqrt(values.Average(value => (double)value * value));
        }
    }

    [TestMethod]
    public void Create_SameSeed_GivesTheSameBytes()
    {
        using var folder = new TemporaryFolder();
        var configuration = Configuration(folder);
        ModelInitializer.Create(folder.File("a"), configuration, seed: 1);
        ModelInitializer.Create(folder.File("b"), configuration, seed: 1);
        ModelInitializer.Create(folder.File("c"), configuration, seed: 2);
        var weights = new[] { "a", "b", "c" }.Select(name => File.ReadAllBytes(folder.File($"{name}/model.safetensors"))).ToArray();
        CollectionAssert.AreEqual(weights[0], weights[1]);
        CollectionAssert.AreNotEqual(weights[0], weights[2]);
    }

    [TestMethod]
    public void Write_WholeModel_HoldsTheWeightsAndIncompleteModelsAreRefused()
    {
        using var folder = new TemporaryFolder();
        var configuration = Configuration(folder, """{"num_hidden_layers": 1, "tie_word_embeddings": true}""");
        var tensors = ModelLayout.Weights(configuration).Select((weight, i) =>
            new NamedTensor(weight.Name, [.. weight.Shape.Select(size => (int)size)],
                Enumerable.Repeat(i + 0.5f, (int)weight.Shape.Aggregate(1L, (a, b) => a * b)).ToArray())).ToList();
        ModelFolderWriter.Write(folder.File("m"), configuration, tensors, TensorType.BF16);
        using (var model = ModelFolder.Open(folder.File("m")))
        {
            Assert.AreEqual("bfloat16", model.Configuration.DataType);
            foreach (var tensor in tensors)
            {
                CollectionAssert.AreEqual(tensor.Values,
                    model.Tensor(tensor.Name, [.. tensor.Shape.Select(size => (long)size)]).ToArray());
            }
        }
        Assert.AreEqual("n, tensor \"model.norm.weight\": found no such tensor; expected one of shape [32]. Give every weight of the configuration.",
            folder.Refusal(() => ModelFolderWriter.Write(folder.File("n"), configuration, tensors[..^1], TensorType.F32)));
        Assert.AreEqual("n, tensor \"model.norm.weight\": found a tensor that the configuration does not have, or a second one; expected the "
            + "weights of the configuration. Leave it out.",
            folder.Refusal(() => ModelFolderWriter.Write(folder.File("n"), configuration, [.. tensors, tensors[^1]], TensorType.F32)));
        Assert.AreEqual("n, tensor \"model.norm.weight\": found shape [16]; expected [32]. Give the tensor the configuration's shape.",
            folder.Refusal(() => ModelFolderWriter.Write(folder.File("n"), configuration,
                [.. tensors[..^1], new NamedTensor("model.norm.weight", [16], new float[16])], TensorType.F32)));
        Assert.IsFalse(Directory.Exists(folder.File("n")));
    }

    [TestMethod]
    [DataRow("", "")]
    [DataRow("\uFEFF", "\n")]
    [DataRow("\uFEFF\r\n ", " ")]
    [DataRow("\n\t", "\r\n\r\n")]
    public void Copy_UnknownKeys_AreKeptByteForByteAndWhatIsAskedReplaced(string before, string after)
    {
        using var folder = new TemporaryFolder();
        var path = Create(folder);
        const string Json = "{ \"my_key\":  [1.50, \"ü\"],\n\"torch_dtype\" : \"float32\", \"nested\": {\"torch_dtype\": \"float32\"}, ";
        var original = before + Json + ModelConfigurationTests.Config()[1..] + after;
        folder.Write("model/config.json", original);
        folder.Write("model/tokenizer.json", "{}");
        folder.Write("model/pytorch_model.bin", "PK");
        using var source = ModelFolder.Open(path);
        ModelFolderWriter.Copy(folder.File("same"), source, _ => null);
        ModelFolderWriter.Copy(folder.File("half"), source, tensor =>
            tensor.Name == "model.norm.weight" ? Enumerable.Repeat(3f, 32).ToArray() : null, TensorType.F16);

        CollectionAssert.AreEqual(Encoding.UTF8.GetBytes(original.TrimStart('\uFEFF')), File.ReadAllBytes(folder.File("same/config.json")));
        CollectionAssert.AreEqual(File.ReadAllBytes(folder.File("model/model.safetensors")),
            File.ReadAllBytes(folder.File("same/model.safetensors")));
        Assert.AreEqual(original.TrimStart('\uFEFF').Replace(": \"float32\", \"nested", ": \"float16\", \"nested"),
            Encoding.UTF8.GetString(File.ReadAllBytes(folder.File("half/config.json"))));
        CollectionAssert.AreEqual(new[] { "config.json", "model.safetensors", "tokenizer.json" },
            Directory.GetFiles(folder.File("half")).Select(Path.GetFileName).Order().ToArray());
        using var half = ModelFolder.Open(folder.File("half"));
        Assert.AreEqual((TensorType.F16, 3f), (half.Tensor("model.norm.weight", 32).Type, half.Tensor("model.norm.weight", 32).ToArray()[31]));
        CollectionAssert.AreEqual(source.RawTensor("lm_head.weight").ToArray().Select(value => (float)(Half)value).ToArray(),
            half.RawTensor("lm_head.weight").ToArray());
        StringAssert.Contains(folder.Refusal(() => ModelFolderWriter.Copy(path, source, _ => null)),
            "model: found the folder of the model itself; expected another folder.");
        folder.Write("full/model.safetensors.index.json", "{}");
        StringAssert.Contains(folder.Refusal(() => ModelFolderWriter.Copy(folder.File("full"), source, _ => null)),
            "found a sharded model; expected an empty folder, or one with a single weight file. Write to another folder.");
    }
}
