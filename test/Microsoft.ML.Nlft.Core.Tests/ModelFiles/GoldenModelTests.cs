using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Every model folder and adapter of the fixtures: read whole, written again, and found to be the same.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class GoldenModelTests
{
    public static IEnumerable<object[]> Models => Fixtures.Folders("golden", "llama");

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void OpenAndCopy_GoldenModel_IsReadWholeAndCopiedByteForByte(string name)
    {
        var path = Fixtures.Path_("golden", "llama", name);
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(path, "config.json")))!;
        using var model = ModelFolder.Open(path);
        var c = model.Configuration;
        Assert.AreEqual((string)json["model_type"]!, c.ModelType);
        Assert.AreEqual(Number("vocab_size"), c.VocabularySize);
        Assert.AreEqual(Number("hidden_size"), c.HiddenSize);
        Assert.AreEqual(Number("num_hidden_layers"), c.LayerCount);
        Assert.AreEqual(Number("num_attention_heads"), c.HeadCount);
        Assert.HasCount(c.LayerCount, c.SlidingWindows);
        foreach (var weight in ModelLayout.Weights(c))
            Assert.IsTrue(model.Tensor(weight.Name, weight.Shape).ToArray().All(float.IsFinite), weight.Name);

        using var folder = new TemporaryFolder();
        ModelFolderWriter.Copy(folder.File("copy"), model, _ => null);
        CollectionAssert.AreEqual(model.ConfigurationJson, File.ReadAllBytes(folder.File("copy/config.json")));
        using var copy = ModelFolder.Open(folder.File("copy"));
        CollectionAssert.AreEquivalent(model.TensorNames.ToArray(), copy.TensorNames.ToArray());
        foreach (var tensor in model.TensorNames)
        {
            Assert.AreEqual(model.RawTensor(tensor).Type, copy.RawTensor(tensor).Type);
            Assert.IsTrue(model.RawTensor(tensor).Bytes.Span.SequenceEqual(copy.RawTensor(tensor).Bytes.Span), tensor);
        }

        int Number(string key) => (int)json[key]!;
    }

    [TestMethod]
    [DynamicData(nameof(Models))]
    public void LoadAndSave_GoldenAdapter_FitsItsModelAndIsWrittenAsItWasRead(string name)
    {
        using var model = ModelFolder.Open(Fixtures.Path_("golden", "llama", name));
        foreach (var path in Directory.GetDirectories(model.Path).Where(path => File.Exists(Path.Combine(path, "adapter_config.json"))))
        {
            var adapter = LoraAdapter.Load(path);
            adapter.EnsureFits(model.Configuration);
            using var folder = new TemporaryFolder();
            adapter.Save(folder.Path);

            using var original = SafetensorsFile.Open(Path.Combine(path, "adapter_model.safetensors"));
            using var written = SafetensorsFile.Open(folder.File("adapter_model.safetensors"));
            CollectionAssert.AreEquivalent(original.Entries.Select(entry => entry.Name).ToArray(),
                written.Entries.Select(entry => entry.Name).ToArray());
            foreach (var entry in original.Entries)
            {
                CollectionAssert.AreEqual(entry.Shape, written.Entry(entry.Name).Shape);
                CollectionAssert.AreEqual(original.Tensor(entry.Name).ToArray(), written.Tensor(entry.Name).ToArray(), entry.Name);
            }

            var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(path, "adapter_config.json")))!.AsObject();
            var text = File.ReadAllText(folder.File("adapter_config.json"));
            var saved = JsonNode.Parse(text)!.AsObject();
            foreach (var (key, value) in settings) Assert.AreEqual(value?.ToJsonString(), saved[key]?.ToJsonString(), key);
            CollectionAssert.AreEqual(saved.Select(pair => pair.Key).Order(StringComparer.Ordinal).ToArray(),
                saved.Select(pair => pair.Key).ToArray(), "keys are sorted");
            CollectionAssert.AreEquivalent(new[] { "adapter_config.json", "adapter_model.safetensors" }, folder.Files());
        }
    }
}
