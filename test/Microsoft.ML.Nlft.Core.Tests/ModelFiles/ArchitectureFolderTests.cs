using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Folders and adapters of the architectures that name and store their modules otherwise than llama.</summary>
[TestClass]
public sealed class ArchitectureFolderTests
{
    private static readonly TokenSequence Sequence = new((int[])[3, 14, 15, 9, 2, 5, 0, 8, 2], 3);

    [TestMethod]
    [DynamicData(nameof(Architectures.Names), typeof(Architectures))]
    public void MergeInto_EveryArchitecture_ScoresAsTheAdapterApart(string name)
    {
        using var folder = new TemporaryFolder();
        using var model = Architectures.Create(name);
        foreach (var useDora in (bool[])[false, true])
        {
            var adapter = Adapter(model, new() { Rank = 3, Dropout = 0, TargetPattern = LoraConfiguration.AllLinear, UseDora = useDora });
            adapter.MergeInto(model, folder.File($"merged {useDora}"));
            using var merged = ModelFolder.Open(folder.File($"merged {useDora}"));
            NumberAssert.AreClose(Scores(model, adapter), Floats(Scores(merged)), 1e-4, name);
            Assert.IsGreaterThan(0.01, Scores(model).Zip(Scores(merged), (x, y) => Math.Abs(x - y)).Max(), "the adapter does something");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Architectures.Names), typeof(Architectures))]
    public void Create_DefaultModules_AreThoseOfTheFeedForwardNetwork(string name)
    {
        using var model = Architectures.Create(name);
        var layers = Enumerable.Range(0, model.Configuration.LayerCount).Select(layer => ModelLayout.Layer(model.Configuration, layer));
        var expected = layers.SelectMany(layer => layer.GateUp.Append(layer.Down)).Select(linear => linear.Name + ".lora_A").ToArray();
        var adapter = LoraAdapter.Create(new LoraConfiguration(), model.Configuration, seed: 1);
        CollectionAssert.AreEqual(expected, adapter.Factors.Select(factor => factor.Name).Where(factor => factor.EndsWith('A')).ToArray());
        Assert.AreEqual(name == "gpt2", adapter.Configuration.FanInFanOut);
        using var folder = new TemporaryFolder();
        adapter.Save(folder.Path);
        Assert.AreEqual(name == "gpt2", (bool)JsonNode.Parse(File.ReadAllText(folder.File("adapter_config.json")))!["fan_in_fan_out"]!);
        Assert.AreEqual(adapter.Configuration.FanInFanOut, LoraAdapter.Load(folder.Path).Configuration.FanInFanOut);
    }

    [TestMethod]
    [DataRow("gpt2", "transformer.")]
    [DataRow("phi3", "model.")]
    [DataRow("gpt_neox", "gpt_neox.")]
    public void Open_NamesWithoutTheDecoderInFront_IsTheSameModel(string name, string prefix)
    {
        using var model = Architectures.Create(name);
        using var folder = new TemporaryFolder();
        var c = model.Configuration;
        ModelFolderWriter.Write(folder.File("old"), model.ConfigurationJson, ModelLayout.Weights(c).Select(weight => SafetensorsSource.FromFloats(
            weight.Name.StartsWith(prefix, StringComparison.Ordinal) ? weight.Name[prefix.Length..] : weight.Name, TensorType.F32, weight.Shape,
            () => model.Tensor(weight.Name, weight.Shape).ToArray())));
        using var old = ModelFolder.Open(folder.File("old"));
        Assert.IsFalse(old.TensorNames.Any(tensor => tensor.StartsWith(prefix, StringComparison.Ordinal)));
        NumberAssert.AreClose(Scores(model), Floats(Scores(old)), 0, name);

        var adapter = Adapter(model, new() { Rank = 2, Dropout = 0 });
        adapter.MergeInto(old, folder.File("merged"));
        using var merged = ModelFolder.Open(folder.File("merged"));
        CollectionAssert.AreEquivalent(old.TensorNames.ToArray(), merged.TensorNames.ToArray());
        NumberAssert.AreClose(Scores(model, adapter), Floats(Scores(merged)), 1e-4, name);
    }

    private static LoraAdapter Adapter(ModelFolder model, LoraConfiguration settings)
    {
        var random = new Random(3);
        var fresh = LoraAdapter.Create(settings, model, seed: 1);
        return new(fresh.Configuration, [.. fresh.Factors.Select(factor =>
            factor with { Values = [.. factor.Values.Select(value => value + 0.3f * (random.NextSingle() - 0.5f))] })]);
    }

    private static double[] Scores(ModelFolder folder, LoraAdapter? adapter = null)
    {
        using var model = new ManagedEngine(1).Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        return [.. model.Score([Sequence])[0].LogProbabilities.Select(p => (double)p)];
    }

    private static float[] Floats(double[] values) => [.. values.Select(value => (float)value)];
}
