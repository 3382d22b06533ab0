using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Every folder that transformers and PEFT wrote for the goldens: read alike in both spellings, or refused by name.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class TransformersFolderTests
{
    [TestMethod]
    [DynamicData(nameof(TransformersGolden.Names), typeof(TransformersGolden))]
    public void Open_EitherSpelling_IsTheSameModel(string name)
    {
        using var golden = new TransformersGolden(name);
        using var newest = new TransformersGolden(name.Split('/')[0]);
        var (c, expected) = (golden.Folder.Configuration, newest.Folder.Configuration);
        CollectionAssert.AreEqual(expected.SlidingWindows.ToArray(), c.SlidingWindows.ToArray());
        CollectionAssert.AreEqual(expected.EndOfSequenceIds.ToArray(), c.EndOfSequenceIds.ToArray());
        CollectionAssert.AreEqual(expected.RotatedLayers?.ToArray(), c.RotatedLayers?.ToArray());
        CollectionAssert.AreEqual(expected.Experts?.Layers?.ToArray(), c.Experts?.Layers?.ToArray());
        CollectionAssert.AreEqual(expected.Rope.ShortFactors.ToArray(), c.Rope.ShortFactors.ToArray());
        CollectionAssert.AreEqual(expected.Rope.LongFactors.ToArray(), c.Rope.LongFactors.ToArray());
        Assert.AreEqual(WithoutLists(expected), WithoutLists(c));
        Assert.AreEqual((string)JsonNode.Parse(golden.Folder.ConfigurationJson)!["model_type"]!, c.ModelType);
        Assert.AreEqual(name.StartsWith("llama-tied-own-head", StringComparison.Ordinal), !c.TieWordEmbeddings
            && golden.Folder.TensorNames.Contains("lm_head.weight") && File.ReadAllText(Path.Combine(golden.Folder.Path, "config.json"))
                .Contains("\"tie_word_embeddings\": true", StringComparison.Ordinal));
    }

    private static ModelConfiguration WithoutLists(ModelConfiguration c) => c with
    {
        SlidingWindows = [], EndOfSequenceIds = [], RotatedLayers = null, Experts = c.Experts is { } experts ? experts with { Layers = null } : null,
        Rope = c.Rope with { ShortFactors = [], LongFactors = [] },
    };

    [TestMethod]
    [DynamicData(nameof(TransformersGolden.Adapters), typeof(TransformersGolden))]
    public void Save_AdapterOfPeft_KeepsItsKeysShapesAndValues(string name, string adapter)
    {
        using var golden = new TransformersGolden(name);
        using var folder = new TemporaryFolder();
        golden.LoadAdapter(adapter).Save(folder.Path);
        using var original = SafetensorsFile.Open(Path.Combine(golden.AdapterPath(adapter), "adapter_model.safetensors"));
        using var written = SafetensorsFile.Open(folder.File("adapter_model.safetensors"));
        CollectionAssert.AreEquivalent(original.Entries.Select(entry => entry.Name).ToArray(), written.Entries.Select(entry => entry.Name).ToArray());
        foreach (var entry in original.Entries)
        {
            CollectionAssert.AreEqual(entry.Shape, written.Entry(entry.Name).Shape);
            CollectionAssert.AreEqual(original.Tensor(entry.Name).ToArray(), written.Tensor(entry.Name).ToArray(), entry.Name);
        }
        var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(golden.AdapterPath(adapter), "adapter_config.json")))!.AsObject();
        foreach (var (key, value) in JsonNode.Parse(File.ReadAllText(folder.File("adapter_config.json")))!.AsObject())
            Assert.AreEqual(settings[key]?.ToJsonString(), value?.ToJsonString(), key);
    }

    /// <summary>The adapters of float32 models: a merged weight in another type is rounded.</summary>
    public static IEnumerable<object[]> Merged =>
        TransformersGolden.Adapters.Where(row => !((string)row[0]).Contains("bf16", StringComparison.Ordinal));

    [TestMethod]
    [DynamicData(nameof(Merged))]
    public void MergeInto_AdapterOfPeft_GivesItsMergedLogProbabilitiesOrIsRefusedAsThere(string name, string adapter)
    {
        using var golden = new TransformersGolden(name);
        using var folder = new TemporaryFolder();
        void Merge() => golden.LoadAdapter(adapter).MergeInto(golden.Folder, folder.File("merged"));
        if (!golden.Adapter(adapter).TryGetProperty("merged", out var expected)) expected = golden.Adapter(adapter);
        if (expected.TryGetProperty("refused", out _))
        {
            StringAssert.Contains(Assert.ThrowsExactly<NlftException>(Merge).Subject, ".lora_B.bias");
            return;
        }
        if (expected.TryGetProperty("difference", out var difference) && difference.GetDouble() > 1e-4)
        {
            // Both ends change the one matrix, and PEFT's merged model differs from its adapter.
            Assert.IsTrue(golden.Folder.Configuration.TieWordEmbeddings);
            StringAssert.Contains(Assert.ThrowsExactly<NlftException>(Merge).Subject, "model.embed_tokens");
            return;
        }
        Merge();
        using var merged = ModelFolder.Open(folder.File("merged"));
        using var model = new ManagedEngine().Load(new ModelLoadOptions { Folder = merged });
        var sequence = expected.TryGetProperty("token_ids", out _) ? TransformersGolden.SequenceOf(expected) : golden.Sequences[0].Sequence;
        var actual = model.Score([sequence])[0].LogProbabilities;
        NumberAssert.AreClose(expected.Doubles("log_probs"), actual, 1e-4, $"{name}, {adapter}");
    }
}
