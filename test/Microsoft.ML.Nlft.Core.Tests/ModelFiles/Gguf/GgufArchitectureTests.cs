using System.Text;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Reliability.Fuzzing;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>How files spell architectures: names, orders of rows, turned matrices, stacks of experts; what does not fit is refused.</summary>
[TestClass]
public sealed class GgufArchitectureTests
{
    public static IEnumerable<object[]> ModelTypes => ModelArchitecture.Names.Replace(" or ", ", ", StringComparison.Ordinal).Split(", ")
        .Select(name => new object[] { name });

    [TestMethod]
    [DynamicData(nameof(ModelTypes))]
    public void HuggingFaceName_OfEveryWeightsFileName_IsTheWeight(string modelType)
    {
        var architecture = GgufArchitecture.For(modelType);
        Assert.IsNotNull(architecture, "every model_type has a spelling");
        var configuration = new ModelConfiguration
        {
            ModelType = modelType, VocabularySize = 9, HiddenSize = 8, IntermediateSize = 8, LayerCount = 12, HeadCount = 2, KeyValueHeadCount = 2,
            HeadSize = 4, MaximumPositions = 8, SlidingWindows = new int[12], QueryKeyNorm = architecture.Model.QueryKeyNorm, QkvBias = true,
            Experts = architecture.Model.Experts is null ? null : new() { Count = 3, PerToken = 1, IntermediateSize = 8 },
        };
        var seen = new Dictionary<string, int>();
        foreach (var weight in ModelLayout.Weights(configuration).Select(weight => weight.Name))
        {
            var name = architecture.FileName(weight);
            var count = seen[name] = seen.GetValueOrDefault(name) + 1;
            Assert.AreEqual(weight, architecture.HuggingFaceName(name, GgufArchitecture.IsStack(name) ? count - 1 : null));
        }
        Assert.IsTrue(seen.All(pair => pair.Value == (GgufArchitecture.IsStack(pair.Key) ? 3 : 1)), "only experts share a tensor");
    }

    [TestMethod]
    [DataRow("blk.0.attn_norm.scale")]
    [DataRow("blk.-1.attn_norm.weight")]
    [DataRow("blk.01.attn_norm.weight")]
    [DataRow("blk.0.ffn_gate_exps.weight")] // a stack is not one matrix
    [DataRow("enc.blk.0.attn_norm.weight")]
    [DataRow("blk.0.attn_qkv.weight")]
    public void HuggingFaceName_OfNoTensorOfTheArchitecture_IsNull(string name) =>
        Assert.IsNull(GgufArchitecture.For("mixtral").HuggingFaceName(name));

    /// <summary>Two heads of four rows, or of queries, keys and values of two rows each.</summary>
    [TestMethod]
    public void RowOrder_OfEveryKind_MovesRowsAsStated()
    {
        foreach (var (order, file) in new (RowOrder, int[])[]
        {
            (RowOrder.Same, [0, 1, 2, 3]), (RowOrder.Pairs(2), [0, 1, 2, 3]), (RowOrder.Pairs(4), [0, 2, 1, 3, 4, 6, 5, 7]),
            (RowOrder.Pairs(6), [0, 3, 1, 4, 2, 5]), (RowOrder.ByHead(2, 2), [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]),
            (RowOrder.ByHead(1, 3), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        })
        {
            CollectionAssert.AreEqual(file, file.Select((_, row) => order.Source(row)).ToArray(), $"{order}");
            CollectionAssert.AreEqual(file.Select((_, row) => row).ToArray(), file.Select(row => (int)order.Stored(row)).ToArray(), $"{order}");
            Assert.AreEqual(0, file.Length % order.Together);
            for (var first = 0; first < file.Length; first += order.Together) // rows that are read as one piece are one piece
            {
                var rows = file.Skip(first).Take(order.Together).Order().ToArray();
                CollectionAssert.AreEqual(Enumerable.Range(order.Source(first), order.Together).ToArray(), rows, $"{order}");
            }
        }
    }

    [TestMethod]
    [DataRow(2, 3)]
    [DataRow(1, 7)]
    [DataRow(5, 1)]
    [DataRow(4, 4)]
    [DataRow(7, 13)]
    public void TransposedTensor_ReadAnywhere_IsTheTurnedMatrix(int outputs, int inputs)
    {
        using var folder = new TemporaryFolder();
        var values = Enumerable.Range(0, outputs * inputs).Select(i => (float)i).ToArray();
        using var file = GgufFile.Open(folder.Write("m.gguf",
            new GgufBytes().Floats("t", [(ulong)outputs, (ulong)inputs], values).Build()));
        var turned = new TransposedTensor(new GgufTensor(file, file.Tensors[0], "t"));
        CollectionAssert.AreEqual(new long[] { inputs, outputs }, turned.Shape);
        var expected = Enumerable.Range(0, values.Length).Select(i => values[i % outputs * inputs + i / outputs]).ToArray();
        for (var begin = 0; begin < values.Length; begin++)
        {
            for (var end = begin; end <= values.Length; end++)
            {
                var bytes = new byte[4 * (end - begin)];
                turned.Read(4 * begin, bytes);
                CollectionAssert.AreEqual(expected[begin..end], System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray());
            }
        }
    }

    [TestMethod]
    [DataRow("mixtral", "llama.expert_count", 4u, "\"blk.0.ffn_gate_exps.weight\": found shape [3, 16, 8]; expected the matrices of 4 experts.")]
    [DataRow("mixtral", "llama.expert_used_count", 4u, "found 4; expected an integer from 1 to 3.")]
    [DataRow("mixtral", "llama.expert_count", 0u, "\"llama.expert_used_count\": found 2; expected 0.")]
    [DataRow("gpt_neox", "gptneox.attention.head_count_kv", 1u, "\"gptneox.attention.head_count_kv\": found 1; expected 2.")]
    [DataRow("gpt_neox", "gptneox.attention.key_length", 8u, "\"gptneox.attention.key_length\": found 8; expected 4.")]
    [DataRow("gpt2", "gpt2.context_length", 17u, "\"position_embd.weight\": found shape [16, 8]; expected [17, 8] for transformer.wpe.weight.")]
    [DataRow("phi", "phi2.rope.dimension_count", 6u, "\"phi2.rope.dimension_count\": found 6; expected 4.")]
    public void Open_NumberThatDoesNotFit_IsRefused(string modelType, string key, uint number, string message)
    {
        var (file, place) = Written(modelType, key);
        BitConverter.GetBytes(number).CopyTo(file, place + key.Length + sizeof(uint)); // behind the key stand the type and the value
        RequireRefusal(file, message);
    }

    [TestMethod]
    [DataRow("mixtral", "ffn_up_exps", "tensor \"blk.0.ffn_up_exp_.weight\": found a tensor that its architecture does not have here;")]
    [DataRow("mixtral", "llama.expert_used_count", "\"llama.expert_used_count\": found no such key;")]
    [DataRow("qwen3_moe", "qwen3moe.expert_feed_forward_length", "\"qwen3moe.expert_feed_forward_length\": found no such key;")]
    [DataRow("qwen3_moe", "qwen3moe.expert_count", "\"qwen3moe.expert_count\": found no such key;")]
    [DataRow("gpt_neox", "gptneox.use_parallel_residual", "\"gptneox.use_parallel_residual\": found no such key; expected true or false.")]
    [DataRow("gpt_neox", "gptneox.attention.layer_norm_epsilon", "\"gptneox.attention.layer_norm_epsilon\": found no such key;")]
    [DataRow("gpt2", "position_embd", "tensor \"position_emb_.weight\": found a tensor that its architecture does not have here;")]
    [DataRow("phi", "phi2.vocab_size", "\"phi2.vocab_siz_\": found 260; expected only keys whose effect is known.")]
    public void Open_NameThatIsNotKnown_IsRefused(string modelType, string name, string message)
    {
        var (file, place) = Written(modelType, name);
        file[place + name.Length - 1] = (byte)'_';
        RequireRefusal(file, message);
    }

    /// <summary>Returns the file of a model and where a name begins in it.</summary>
    private static (byte[] File, int Place) Written(string modelType, string name)
    {
        var architecture = ModelArchitecture.Of(modelType)!;
        var hasBias = architecture.NormKind == NormKind.Layer;
        using var tokenizer = new ByteModelFolder();
        using var model = TinyModels.Create(2, new()
        {
            ModelType = modelType, VocabularySize = ByteModelFolder.Vocabulary, HiddenSize = 8, IntermediateSize = 16, LayerCount = 1, HeadCount = 2,
            KeyValueHeadCount = 2, HeadSize = 4, MaximumPositions = 16, SlidingWindows = [0], QueryKeyNorm = architecture.QueryKeyNorm,
            NormKind = architecture.NormKind, Activation = architecture.Activation, QkvBias = hasBias, OutputBias = hasBias, MlpBias = hasBias,
            ParallelResidual = architecture.IsParallel, EndOfSequenceIds = [257],
            Experts = architecture.Experts is null ? null : new() { Count = 3, PerToken = 2, IntermediateSize = 16 },
        });
        foreach (var file in new[] { "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(tokenizer.Path, file), Path.Combine(model.Path, file));
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        GgufExport.Write(model, null, path, new() { Type = GgufType.F32 });
        var bytes = File.ReadAllBytes(path);
        var place = bytes.AsSpan().IndexOf(Encoding.ASCII.GetBytes(name));
        Assert.IsGreaterThan(0, place, name);
        return (bytes, place);
    }

    private static void RequireRefusal(byte[] file, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", file);
        Assert.Contains(message, folder.Refusal(() => ModelFolder.Open(path).Dispose()));
    }
}
