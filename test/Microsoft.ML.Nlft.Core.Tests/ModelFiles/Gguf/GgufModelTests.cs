using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>A GGUF file as a model: configuration, weights, parts, what is refused, what is saved and merged.</summary>
[TestClass]
public sealed class GgufModelTests
{
    private static GgufBytes Model() => GgufSeeds.Weights(GgufSeeds.ByteLevel(new()));

    private static string Refusal(GgufBytes bytes)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", bytes.Build());
        return folder.Refusal(() => ModelFolder.Open(path).Dispose());
    }

    private static float[] Score(ModelFolder folder, LoraAdapter? adapter = null)
    {
        using var model = new ManagedEngine(1).Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        return [.. model.Score([new TokenSequence((int[])[0, 2, 3, 4, 5, 6, 7], 2)])[0].LogProbabilities];
    }

    private static LoraAdapter Adapter(ModelConfiguration configuration)
    {
        using var folder = new TemporaryFolder();
        folder.Write("m.gguf", Model().Build());
        using var model = ModelFolder.Open(folder.File("m.gguf"));
        using var network = new ManagedEngine(1)
            .Load(new ModelLoadOptions { Folder = model, Trainable = TrainableWeights.Lora, Lora = new() { Rank = 2 } });
        var factors = network.Export(ModelState.Weights);
        for (var i = 0; i < factors.Count; i++) Array.Fill(factors[i].Values, 0.1f * (i + 1));
        return new LoraAdapter(network.Lora!, factors);
    }

    [TestMethod]
    public void Open_File_DescribesTheModel()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", Model().Add("tokenizer.ggml.eot_token_id", 4u).Build());
        using var model = ModelFolder.Open(path);
        var c = model.Configuration;
        Assert.AreEqual(("llama", 12, 8, 32, 2, 2, 1, 4), (c.ModelType, c.VocabularySize, c.HiddenSize, c.IntermediateSize, c.LayerCount, c.HeadCount,
            c.KeyValueHeadCount, c.HeadSize));
        Assert.AreEqual((1e-5, 10000.0, 32, true, false), (c.NormEpsilon, c.Rope.Theta, c.MaximumPositions, c.TieWordEmbeddings, c.QkvBias));
        CollectionAssert.AreEqual(new[] { 1, 4 }, model.EndOfSequenceIds.ToArray());
        Assert.AreEqual((path, 0), (model.Path, c.BeginningOfSequenceId));
        Assert.AreEqual(("Q8_0", 8 * 34L, 8 * 36L), model.StoredAs("model.layers.1.mlp.down_proj.weight"));
        Assert.IsTrue(model.IsAt(path));
        Assert.AreEqual(c.HiddenSize, ModelConfiguration.Load(path).HiddenSize);
    }

    [TestMethod]
    public void Tensor_RowsOfQueriesAndKeys_AreInTheOrderOfTheCheckpoint()
    {
        using var folder = new TemporaryFolder();
        using var file = GgufModel.Open(folder.Write("m.gguf", Model().Build()));
        using var model = ModelFolder.Open(file.Path);
        float[] Stored(string name) => new GgufTensor(file.Tensors[name].File, file.Tensors[name].Entry, name).ToData().ToArray();
        foreach (var (name, stored, heads) in new[] { ("q_proj", "attn_q", 2), ("k_proj", "attn_k", 1), ("v_proj", "attn_v", 0) })
        {
            var (found, raw) = (model.RawTensor($"model.layers.1.self_attn.{name}.weight"), Stored($"blk.1.{stored}.weight").Chunk(8).ToArray());
            // Of a head's rows 0 1 2 3 in the file, 0 and 1 are a rotary pair; in the checkpoint its rows lie two apart.
            int[] order = heads == 0 ? [0, 1, 2, 3]
                : [.. Enumerable.Range(0, heads).SelectMany(head => new[] { 0, 2, 1, 3 }.Select(row => head * 4 + row))];
            CollectionAssert.AreEqual(order.SelectMany(row => raw[row]).ToArray(), found.ToArray(), name);
            var part = new byte[40]; // from the middle of a row into the one after the next
            var rows = new float[10];
            new GgufTensor(file.Tensors[$"blk.1.{stored}.weight"].File, file.Tensors[$"blk.1.{stored}.weight"].Entry,
                name) { Order = heads == 0 ? RowOrder.Same : RowOrder.Pairs(4) }.Read(24, part);
            Buffer.BlockCopy(part, 0, rows, 0, 40);
            CollectionAssert.AreEqual(found.ToArray()[6..16], rows, name);
        }
    }

    [TestMethod]
    public void Open_BiasesOfEveryProjection_AreRead()
    {
        var bytes = Model();
        foreach (var (name, size) in new[] { ("attn_q", 8), ("attn_k", 4), ("attn_v", 4), ("attn_output", 8) })
        {
            for (var layer = 0; layer < 2; layer++)
                bytes.Floats($"blk.{layer}.{name}.bias", [(ulong)size], [.. Enumerable.Range(0, size).Select(i => (float)i)]);
        }
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(folder.Write("m.gguf", bytes.Build()));
        Assert.IsTrue(model.Configuration.QkvBias && model.Configuration.OutputBias);
        CollectionAssert.AreEqual(new float[] { 0, 2, 1, 3, 4, 6, 5, 7 }, model.Tensor("model.layers.0.self_attn.q_proj.bias", 8).ToArray());
        CollectionAssert.AreEqual(new float[] { 0, 1, 2, 3 }, model.Tensor("model.layers.0.self_attn.v_proj.bias", 4).ToArray());
        Assert.IsTrue(Score(model).All(float.IsFinite));
    }

    [TestMethod]
    public void Open_SplitModel_EqualsTheWholeOne()
    {
        using var folder = new TemporaryFolder();
        using var whole = ModelFolder.Open(folder.Write("whole.gguf", Model().Build()));
        var first = Split(folder, "m", layersInFirst: 1);
        using var split = ModelFolder.Open(first);
        CollectionAssert.AreEqual(Score(whole), Score(split));
        Assert.AreNotEqual(whole.Fingerprint, split.Fingerprint);

        StringAssert.StartsWith(folder.Refusal(() => ModelFolder.Open(folder.File("m-00002-of-00002.gguf"))),
            "m-00002-of-00002.gguf, \"split.no\": found 1; expected 0, as the first part has number 0. Name the first part of the model.");
        split.Dispose();
        File.Move(folder.File("m-00002-of-00002.gguf"), folder.File("other.gguf"));
        StringAssert.StartsWith(folder.Refusal(() => ModelFolder.Open(first)),
            "m-00002-of-00002.gguf: found no such file; expected part 2 of 2 of the model.");
        File.Copy(first, folder.File("m-00002-of-00002.gguf"));
        StringAssert.Contains(folder.Refusal(() => ModelFolder.Open(first)), "found a tensor that another part has too; expected each tensor once.");
        File.Move(first, folder.File("renamed.gguf"));
        StringAssert.StartsWith(folder.Refusal(() => ModelFolder.Open(folder.File("renamed.gguf"))),
            "renamed.gguf: found a model in 2 parts; expected names that end in -00001-of-00002.gguf.");
    }

    /// <summary>Writes the model in two parts; the second has the tensors of the later layers.</summary>
    private static string Split(TemporaryFolder folder, string name, int layersInFirst)
    {
        using var model = GgufModel.Open(folder.Write("all.gguf", Model().Build()));
        var (first, second) = (Head(), new GgufBytes().Add("split.no", (ushort)1).Add("split.count", (ushort)2)
            .Add("split.tensors.count", model.Tensors.Count));
        foreach (var (tensor, (file, entry)) in model.Tensors)
        {
            var bytes = new byte[entry.End - entry.Begin];
            file.Stored.Read(entry.Begin, bytes, tensor);
            var later = tensor.StartsWith("blk.", StringComparison.Ordinal) && int.Parse(tensor.Split('.')[1]) >= layersInFirst;
            (later ? second : first).Tensor(tensor, (uint)entry.Type, [.. entry.Shape.Select(size => (ulong)size)], bytes);
        }
        folder.Write($"{name}-00002-of-00002.gguf", second.Build());
        return folder.Write($"{name}-00001-of-00002.gguf", first.Build());

        GgufBytes Head() => GgufSeeds.ByteLevel(new GgufBytes().Add("split.no", (ushort)0).Add("split.count", (ushort)2)
            .Add("split.tensors.count", model.Tensors.Count)).Add("general.architecture", "llama").Add("llama.block_count", 2u)
            .Add("llama.context_length", 32u).Add("llama.embedding_length", 8u).Add("llama.feed_forward_length", 32u)
                .Add("llama.attention.head_count", 2u)
            .Add("llama.attention.head_count_kv", 1u).Add("llama.attention.layer_norm_rms_epsilon", 1e-5f).Add("llama.rope.freq_base", 10000f);
    }

    [TestMethod]
    public void Open_WhatIsNotCovered_IsRefusedByName()
    {
        const string Kind = " This kind of model is not supported: use another one.";
        StringAssert.StartsWith(Refusal(new GgufBytes().Add("general.architecture", "mamba")),
            "m.gguf, \"general.architecture\": found \"mamba\"; expected llama, ");
        StringAssert.StartsWith(Refusal(new GgufBytes()), "m.gguf, \"general.architecture\": found no such key; expected llama, ");
        Assert.AreEqual("m.gguf, \"llama.attention.clamp_kqv\": found 8; expected only keys whose effect is known. "
            + "This kind of llama model is not supported: use another one.", Refusal(Model().Add("llama.attention.clamp_kqv", 8f)));
        StringAssert.StartsWith(Refusal(Model().Add("llama.expert_count", 8u)),
            "m.gguf, \"llama.expert_used_count\": found no such key; expected an integer above 0.");
        StringAssert.StartsWith(Refusal(Model().Add("llama.expert_count", 8u).Add("llama.expert_used_count", 2u)),
            "m.gguf, tensor \"model.layers.0.block_sparse_moe.gate.weight\": found no such tensor; expected one of shape [8, 8].");
        StringAssert.StartsWith(Refusal(Model().Add("llama.expert_used_count", 2u)), "m.gguf, \"llama.expert_used_count\": found 2; expected 0.");
        StringAssert.StartsWith(Refusal(Model().Add("llama.attention.value_length", 8u)),
            "m.gguf, \"llama.attention.value_length\": found 8; expected 4.");
        StringAssert.StartsWith(Refusal(Model().Add("llama.rope.scaling.type", "abc")),
            "m.gguf, \"llama.rope.scaling.type\": found \"abc\"; expected none, ");
        Assert.AreEqual("m.gguf, tensor \"blk.0.ffn_gate_inp.weight\": found a tensor that its architecture does not have here; "
            + "expected the weights of such a decoder." + Kind, Refusal(Model().Floats("blk.0.ffn_gate_inp.weight", [1], 0)));
        Assert.AreEqual("m.gguf, tensor \"blk.2.attn_q.weight\": found a tensor that its architecture does not have here; "
            + "expected the weights of such a decoder." + Kind, Refusal(Model().Floats("blk.2.attn_q.weight", [8, 8], new float[64])));
        StringAssert.StartsWith(Refusal(Model().Floats("output.weight", [8, 8], new float[64])),
            "m.gguf, tensor \"output.weight\": found shape [8, 8]; expected [12, 8] for lm_head.weight.");
        StringAssert.StartsWith(Refusal(GgufSeeds.Weights(new(), layers: 1).Add("llama.rope.scale_linear", 0.5f)),
            "m.gguf, as config.json, \"rope_scaling.factor\": found 0.5; expected a number of at least 1.");
        using var folder = new TemporaryFolder();
        folder.Write("m.gguf", Model().Build());
        StringAssert.StartsWith(folder.Refusal(() => ModelFolder.Open(folder.Path)),
            "FOLDER: found a GGUF file, m.gguf, and no config.json; expected the path");
        folder.Write("x.safetensors", "abc");
        StringAssert.StartsWith(folder.Refusal(() => ModelFolder.Open(folder.File("x.safetensors"))),
            "x.safetensors: found a file; expected a model folder");
    }

    [TestMethod]
    [DataRow("linear", 4.0)]
    [DataRow("yarn", 2.0)]
    [DataRow("none", 1.0)]
    public void Open_RotaryScaling_IsThatOfTheMetadata(string type, double factor)
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(folder.Write("m.gguf", Model().Add("llama.rope.scaling.type", type)
            .Add("llama.rope.scaling.factor", (float)factor).Add("llama.rope.scaling.original_context_length", 16u).Build()));
        Assert.AreEqual((type == "none" ? "default" : type, factor), (model.Configuration.Rope.Type, model.Configuration.Rope.Factor));
        if (type == "yarn") Assert.AreEqual(16, model.Configuration.Rope.OriginalMaximumPositions);
    }

    [TestMethod]
    public void Open_DivisorsOfLlama3_AreRecognised()
    {
        // Heads of 4 have two frequencies: 1 and 0.01, of wavelengths 6 and 628, which the published limits leave as they are or divide.
        foreach (var (theta, divisors) in new[] { (10000f, new[] { 1f, 1f }), (1e9f, [1f, 8f]) })
        {
            using var folder = new TemporaryFolder();
            var bytes = GgufSeeds.ByteLevel(new GgufBytes()).Add("llama.rope.scaling.finetuned", true);
            using var model = ModelFolder.Open(folder.Write("m.gguf",
                WithTheta(bytes, theta).Floats("rope_freqs.weight", [2], divisors).Build()));
            Assert.AreEqual(("llama3", (double)divisors[1], 8192), (model.Configuration.Rope.Type, model.Configuration.Rope.Factor,
                model.Configuration.Rope.OriginalMaximumPositions));
        }
        StringAssert.StartsWith(Refusal(Model().Floats("rope_freqs.weight", [3], 1, 1, 1)),
            "m.gguf, tensor \"rope_freqs.weight\": found shape [3] of F32; expected [2] of F32, a number per rotary pair.");
        StringAssert.StartsWith(Refusal(Model().Floats("rope_freqs.weight", [2], 1, 0)),
            "m.gguf, tensor \"rope_freqs.weight\": found a number that is not above 0; expected finite numbers above 0.");
    }

    /// <summary>The weights of one layer with another base of the frequencies.</summary>
    private static GgufBytes WithTheta(GgufBytes bytes, float theta)
    {
        using var folder = new TemporaryFolder();
        using var model = GgufModel.Open(folder.Write("m.gguf", GgufSeeds.Weights(new(), layers: 1).Build()));
        bytes.Add("general.architecture", "llama").Add("llama.block_count", 1u).Add("llama.context_length", 32u).Add("llama.embedding_length", 8u)
            .Add("llama.feed_forward_length", 32u).Add("llama.attention.head_count", 2u).Add("llama.attention.head_count_kv", 1u)
            .Add("llama.attention.layer_norm_rms_epsilon", 1e-5f).Add("llama.rope.freq_base", theta);
        foreach (var (name, (file, entry)) in model.Tensors)
        {
            var data = new byte[entry.End - entry.Begin];
            file.Stored.Read(entry.Begin, data, name);
            bytes.Tensor(name, (uint)entry.Type, [.. entry.Shape.Select(size => (ulong)size)], data);
        }
        return bytes;
    }

    [TestMethod]
    public void Merge_IntoAFile_WritesAFolderThatAnswersAlike()
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(folder.Write("m.gguf", Model().Build()));
        var adapter = Adapter(model.Configuration);
        adapter.MergeInto(model, folder.File("merged"));
        CollectionAssert.AreEquivalent(new[] { "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json" },
            Directory.GetFiles(folder.File("merged")).Select(Path.GetFileName).ToArray());
        using var merged = ModelFolder.Open(folder.File("merged"));
        NumberAssert.AreClose([.. Score(model, adapter).Select(value => (double)value)], Score(merged), 1e-5, "merged");
        var (before, after) = (HuggingFaceTokenizer.Load(model.Path), HuggingFaceTokenizer.Load(merged.Path));
        CollectionAssert.AreEqual(before.Encode("ab a<tool>1\n", true), after.Encode("ab a<tool>1\n", true));
        Assert.AreEqual(ChatTemplate.Load(model.Path)!.Source, ChatTemplate.Load(merged.Path)!.Source);
        StringAssert.StartsWith(folder.Refusal(() => adapter.MergeInto(model, model.Path)), "m.gguf: found the folder of the base model;");
    }

    [TestMethod]
    public void Save_ModelOfAFile_FindsTheFileAgain()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("models/m.gguf", Model().Build());
        using (var model = LocalModel.Load(path, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 1 } }))
        {
            Assert.AreEqual("m.gguf", model.Name);
            model.Save(folder.File("tuned"));
        }
        StringAssert.Contains(File.ReadAllText(folder.File("tuned/adapter_config.json")), "\"base_model_name_or_path\": \"m.gguf\"");
        using (var again = LocalModel.Load(folder.File("tuned"))) Assert.AreEqual(path, again.Folder.Path);
        File.Move(path, folder.File("m.gguf"));
        using (var moved = LocalModel.Load(folder.File("tuned"))) Assert.AreEqual(folder.File("m.gguf"), moved.Folder.Path);
        File.WriteAllBytes(folder.File("m.gguf"), Model().Add("general.name", "another").Build());
        StringAssert.Contains(folder.Refusal(() => LocalModel.Load(folder.File("tuned"))), "another model in m.gguf");
    }

    [TestMethod]
    public void Locate_FilesInRootsAndCache_AreFoundByTheNamesOfTheList()
    {
        using var folder = new TemporaryFolder();
        var bytes = Model().Build();
        string[] files =
        [
            folder.Write("root/one.gguf", bytes), folder.Write("root/sub/two.Q4_1.gguf", bytes), folder.Write("root/sub/inner/three.gguf", bytes),
            folder.Write("hub/models--org--name/snapshots/abc/four.gguf", bytes),
        ];
        folder.Write("hub/models--org--name/refs/main", "abc");
        folder.Write("root/one-00002-of-00002.gguf", bytes);
        var locator = new ModelLocator([folder.File("root")], name => name == "HF_HUB_CACHE" ? folder.File("hub") : null);
        var all = locator.All().ToList();
        Assert.AreEqual("one.gguf sub/two.Q4_1.gguf sub/inner/three.gguf org/name/four.gguf", string.Join(' ', all.Select(model => model.Name)));
        CollectionAssert.AreEqual(files, all.Select(model => model.Folder).ToArray());
        foreach (var (name, path) in all) Assert.AreEqual(path, locator.Find(name), name);
        var blob = folder.Write("blobs/sha256-1234", bytes);
        Assert.AreEqual((true, false), (ModelLocator.IsModel(blob), ModelLocator.IsModel(folder.Write("blobs/text", "GGU"))));
    }

    [TestMethod]
    public void Open_FourTimesTheVocabulary_AllocatesAboutFourTimesAsMuch()
    {
        using var folder = new TemporaryFolder();
        double Bytes(int count)
        {
            var tokens = Enumerable.Range(0, count).Select(i => $"t{i}").Prepend("t").Prepend("1").ToArray();
            var path = folder.Write($"{count}.gguf", new GgufBytes().Add("general.architecture", "llama").Add("tokenizer.ggml.model", "llama")
                .Add("tokenizer.ggml.tokens", tokens).Add("tokenizer.ggml.scores", tokens.Select((_, i) => -(float)i).ToArray()).Build());
            var before = GC.GetAllocatedBytesForCurrentThread();
            HuggingFaceTokenizer.Load(path);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        _ = Bytes(2_000);
        var (small, large) = (Bytes(10_000), Bytes(40_000));
        Assert.IsLessThan(6, large / small, $"{small} and {large} bytes"); // a squared need would be 16 times as much
    }
}
