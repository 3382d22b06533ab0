using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Every golden model, stored in every type, whole and in shards: merging its adapter gives what applying it gives.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class MergeConformanceTests
{
    private static readonly TensorType?[] Types = [null, TensorType.F64, TensorType.F32, TensorType.F16, TensorType.BF16];

    public static IEnumerable<object[]> Cases =>
        Fixtures.Folders("golden", "llama").SelectMany(row => Types.Select(type => new object[] { row[0], type?.ToString() ?? "as it is" }));

    /// <summary>Unit roundoff: half the distance from 1 to the next number. The merge computes in float32, whatever the file holds.</summary>
    private static double Roundoff(TensorType type) => type switch
    {
        TensorType.BF16 => Math.ScaleB(1, -8),
        TensorType.F16 => Math.ScaleB(1, -11),
        _ => Math.ScaleB(1, -24),
    };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void MergeInto_GoldenModel_HasTheAdaptersLogitsWithinTheBound(string name, string type)
    {
        using var golden = new Golden(name);
        using var folder = new TemporaryFolder();
        using var source = Base(folder, golden, type);
        using var merged = Merge(folder, source, golden.Adapter);
        var applied = Logits(source, golden.Adapter, golden.Sequence);
        var largest = applied.Max(Math.Abs);
        var targets = golden.Adapter.Configuration.Resolve(source.Configuration);
        var bound = (4e-6 + 2 * Roundoff(TypeOf(source, targets[0])) * Math.Sqrt(targets.Count)) * largest;
        var actual = Logits(merged, null, golden.Sequence);
        NumberAssert.AreClose([.. applied.Select(value => (double)value)], actual, bound, $"{name} {type}: logit");
        Assert.IsGreaterThan(10 * bound,
            Logits(source, null, golden.Sequence).Zip(actual, (x, y) => Math.Abs(x - y)).Max(), "the adapter does something");
    }

    /// <summary>
    /// To first order, and whatever the signs of the roundings, a log-probability moves by no more than the sum over all merged weights of
    /// |d log p / d W| times the largest rounding of W.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void MergeInto_GoldenModel_MovesLogProbabilitiesByNoMoreThanTheirGradientsAllow(string name, string type)
    {
        using var golden = new Golden(name);
        using var folder = new TemporaryFolder();
        using var source = Base(folder, golden, type);
        using var merged = Merge(folder, source, golden.Adapter);
        using var applied = new ManagedEngine().Load(new ModelLoadOptions { Folder = source, Adapter = golden.Adapter });
        using var model = new ManagedEngine().Load(new ModelLoadOptions { Folder = merged, Trainable = TrainableWeights.All });
        var expected = applied.Score([golden.Sequence])[0].LogProbabilities;
        var actual = model.Score([golden.Sequence])[0].LogProbabilities;
        var targets = golden.Adapter.Configuration.Resolve(source.Configuration).Select(target => target.Module + ".weight").ToHashSet();
        for (var t = 0; t < expected.Length; t++)
        {
            using (var pass = model.Forward([golden.Sequence]))
                pass.Backward([Enumerable.Range(0, expected.Length).Select(i => i == t ? 1f : 0f).ToArray()]);
            var bound = 2e-4; // of the engine's own arithmetic, as in its conformance
            foreach (var gradient in model.Export(ModelState.Gradients).Where(gradient => targets.Contains(gradient.Name)))
            {
                var weight = merged.RawTensor(gradient.Name);
                var roundoff = Roundoff(weight.Type);
                bound += gradient.Values.Zip(weight.ToArray(), (slope, value) => Math.Abs(slope * value) * roundoff).Sum();
            }
            model.ClearGradients();
            Assert.AreEqual(expected[t], actual[t], bound, $"{name} {type}: log p of token {t}");
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void MergeInto_GoldenModel_RoundsExactSumsOnceAndChangesNoOtherTensor(string name, string type)
    {
        using var golden = new Golden(name);
        using var folder = new TemporaryFolder();
        using var source = Base(folder, golden, type);
        using var merged = Merge(folder, source, golden.Adapter);
        var factors = golden.Adapter.Factors.ToDictionary(factor => factor.Name);
        var targets = golden.Adapter.Configuration.Resolve(source.Configuration).ToDictionary(target => target.Module + ".weight");
        CollectionAssert.AreEqual(source.TensorNames.ToArray(), merged.TensorNames.ToArray());
        foreach (var tensor in source.TensorNames)
        {
            var (before, after) = (source.RawTensor(tensor), merged.RawTensor(tensor));
            if (!targets.TryGetValue(tensor, out var target))
            {
                Assert.IsTrue(before.Bytes.Span.SequenceEqual(after.Bytes.Span), tensor);
                continue;
            }
            var (old, a, b) = (before.ToArray(), factors[target.Module + ".lora_A"], factors[target.Module + ".lora_B"]);
            var stored = after.ToArray();
            Assert.AreEqual(before.Type, after.Type);
            var inputs = a.Shape[1];
            for (var i = 0; i < stored.Length; i++)
            {
                double change = 0, size = 0;
                for (var k = 0; k < target.Rank; k++)
                {
                    var term = target.Scaling * b.Values[i / inputs * target.Rank + k] * a.Values[k * inputs + i % inputs];
                    change += term;
                    size += Math.Abs(term);
                }
                var rounding = Roundoff(after.Type) * Math.Abs(old[i] + change) + (after.Type == TensorType.F16 ? Math.ScaleB(1, -25) : 0);
                var arithmetic = Math.ScaleB(1, -24) * ((target.Rank + 2) * size + 2 * Math.Abs(old[i]) + 2 * Math.Abs(change));
                if (!(Math.Abs(old[i] + change - stored[i]) <= rounding + arithmetic))
                    Assert.Fail($"{tensor}[{i}] is {stored[i]}; {old[i] + change} within {rounding + arithmetic} was expected.");
            }
        }
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void MergeInto_ShardedModel_KeepsShardsAndGetsTheSameWeights(string name, string type)
    {
        using var golden = new Golden(name);
        using var folder = new TemporaryFolder();
        using var source = Base(folder, golden, type);
        using var merged = Merge(folder, source, golden.Adapter);
        Shards.Write(folder.File("sharded"), source, count: 3);
        using var sharded = ModelFolder.Open(folder.File("sharded"));
        golden.Adapter.MergeInto(sharded, folder.File("merged shards"));
        using var mergedShards = ModelFolder.Open(folder.File("merged shards"));

        CollectionAssert.AreEqual(Names(sharded.Path), Names(mergedShards.Path));
        Assert.HasCount(3, mergedShards.WeightFiles!);
        foreach (var (before, after) in sharded.WeightFiles!.Zip(mergedShards.WeightFiles!))
        {
            Assert.AreEqual(Path.GetFileName(before.Path), Path.GetFileName(after.Path));
            Assert.IsTrue(before.HeaderJson.Span.SequenceEqual(after.HeaderJson.Span), "header, byte for byte");
        }
        foreach (var file in new[] { "config.json", "model.safetensors.index.json" })
        {
            CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(sharded.Path, file)), File.ReadAllBytes(Path.Combine(mergedShards.Path, file)),
                file);
        }
        foreach (var tensor in merged.TensorNames)
            Assert.IsTrue(merged.RawTensor(tensor).Bytes.Span.SequenceEqual(mergedShards.RawTensor(tensor).Bytes.Span), tensor);
    }

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void MergeIntoAndSave_AnotherReader_ReadsTheSame(string name, string type)
    {
        using var golden = new Golden(name);
        using var folder = new TemporaryFolder();
        using var source = Base(folder, golden, type);
        using var merged = Merge(folder, source, golden.Adapter);
        golden.Adapter.Save(folder.File("adapter"), "base");

        var weights = PlainSafetensors.Read(folder.File("merged/model.safetensors"));
        CollectionAssert.AreEquivalent(merged.TensorNames.ToArray(), weights.Tensors.Keys.ToArray());
        foreach (var tensor in merged.TensorNames)
            CollectionAssert.AreEqual(merged.RawTensor(tensor).ToArray(), weights.Tensors[tensor].Values, tensor);
        var adapter = PlainSafetensors.Read(folder.File("adapter/adapter_model.safetensors"));
        Assert.AreEqual("pt", adapter.Metadata["format"], "transformers and peft ask for it");
        CollectionAssert.AreEquivalent(golden.Adapter.Factors.Select(factor => $"base_model.model.{factor.Name}.weight").ToArray(),
            adapter.Tensors.Keys.ToArray());
        foreach (var factor in golden.Adapter.Factors)
        {
            var read = adapter.Tensors[$"base_model.model.{factor.Name}.weight"];
            CollectionAssert.AreEqual(factor.Shape, read.Shape);
            CollectionAssert.AreEqual(factor.Values, read.Values, factor.Name);
        }
    }

    /// <summary>The golden model itself, or a copy in another type.</summary>
    private static ModelFolder Base(TemporaryFolder folder, Golden golden, string type)
    {
        if (!Enum.TryParse<TensorType>(type, out var parsed)) return ModelFolder.Open(golden.Folder.Path);
        ModelFolderWriter.Copy(folder.File("base"), golden.Folder, _ => null, parsed);
        return ModelFolder.Open(folder.File("base"));
    }

    private static ModelFolder Merge(TemporaryFolder folder, ModelFolder source, LoraAdapter adapter)
    {
        adapter.MergeInto(source, folder.File("merged"));
        return ModelFolder.Open(folder.File("merged"));
    }

    private static TensorType TypeOf(ModelFolder folder, LoraTarget target) => folder.RawTensor(target.Module + ".weight").Type;

    private static string[] Names(string folder) =>
        [.. Directory.GetFiles(folder).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    /// <summary>The logits after every token of the sequence.</summary>
    private static float[] Logits(ModelFolder folder, LoraAdapter? adapter, TokenSequence sequence)
    {
        using var model = new ManagedEngine().Load(new ModelLoadOptions { Folder = folder, Adapter = adapter });
        using var session = model.StartDecoding([sequence.Tokens[..1]], sequence.Tokens.Length);
        var logits = new List<float>(session.Logits(0).ToArray());
        foreach (var token in sequence.Tokens[1..].ToArray())
        {
            session.Append([token]);
            logits.AddRange(session.Logits(0));
        }
        return [.. logits];
    }
}
