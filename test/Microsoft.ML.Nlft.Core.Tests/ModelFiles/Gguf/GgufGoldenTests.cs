using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>Reads the golden GGUF files: every tensor to the bit, every log-probability, every greedy token.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class GgufGoldenTests
{
    private const double Tolerance = 1e-4, ToleranceOfTwoBits = 5e-4;

    public static IEnumerable<object[]> Types => Names("gguf");

    public static IEnumerable<object[]> Architectures => Names("gguf", "architectures");

    private static IEnumerable<object[]> Names(params string[] folder) => !Directory.Exists(Fixtures.Path_(["golden", .. folder])) ? []
        : Directory.GetFiles(Fixtures.Path_(["golden", .. folder]), "*.gguf").Order(StringComparer.Ordinal)
            .Select(file => new object[] { Path.GetFileNameWithoutExtension(file) });

    private static JsonElement Expected(string name)
    {
        using var json = Fixtures.Json("golden", "gguf", "expected.json");
        var files = json.RootElement.GetProperty("files").Clone();
        return files.GetProperty(name);
    }

    [TestMethod]
    [DynamicData(nameof(Types))]
    public void Read_TensorsOfEveryType_EqualTheReferenceToTheBit(string name)
    {
        using var model = GgufModel.Open(Fixtures.Path_("golden", "gguf", name + ".gguf"));
        var tensors = Expected(name).GetProperty("tensors");
        Assert.HasCount(tensors.EnumerateObject().Count(), model.Tensors);
        foreach (var tensor in tensors.EnumerateObject())
        {
            var (file, entry) = model.Tensors[tensor.Name];
            var what = $"{name}, {tensor.Name}";
            Assert.AreEqual(tensor.Value.GetProperty("type").GetString(), entry.Type.ToString(), what);
            CollectionAssert.AreEqual(tensor.Value.GetProperty("shape").Ints(), entry.Shape.Select(size => (int)size).ToArray(), what);
            var values = new GgufTensor(file, entry, tensor.Name).ToData().ToArray();
            var (at, wanted) = (tensor.Value.GetProperty("at").Ints(), tensor.Value.GetProperty("values").Doubles());
            for (var i = 0; i < at.Length; i++) Assert.AreEqual((float)wanted[i], values[at[i]], $"{what}[{at[i]}]");
            Assert.AreEqual(tensor.Value.GetProperty("sum").GetDouble(), values.Sum(value => (double)value), 1e-9 * values.Length, what);
            var squares = tensor.Value.GetProperty("sum_of_squares").GetDouble();
            Assert.AreEqual(squares, values.Sum(value => (double)value * value), 1e-12 * squares * values.Length, what);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Types))]
    public void Score_ModelOfEveryType_EqualsTheReference(string name)
    {
        using var json = Fixtures.Json("golden", "gguf", "expected.json");
        var expected = json.RootElement.GetProperty("files").GetProperty(name);
        RequireScores(Fixtures.Path_("golden", "gguf", name + ".gguf"), json.RootElement, expected, name == "q2_k" ? ToleranceOfTwoBits : Tolerance);
    }

    [TestMethod]
    [DynamicData(nameof(Architectures))]
    public void Score_EveryArchitecture_EqualsTheReference(string name)
    {
        using var json = Fixtures.Json("golden", "gguf", "architectures", "expected.json");
        var expected = json.RootElement.GetProperty(name);
        RequireScores(Fixtures.Path_("golden", "gguf", "architectures", name + ".gguf"), expected, expected, Tolerance);
    }

    private static void RequireScores(string path, JsonElement sequence, JsonElement expected, double tolerance)
    {
        using var folder = ModelFolder.Open(path);
        using var model = new ManagedEngine(2).Load(new ModelLoadOptions { Folder = folder });
        var (tokens, prompt) = (sequence.GetProperty("token_ids").Ints(), sequence.GetProperty("prompt_length").GetInt32());
        NumberAssert.AreClose(expected.GetProperty("log_probs").Doubles(), model.Score([new(tokens, prompt)])[0].LogProbabilities, tolerance, path);
        var greedy = expected.GetProperty("greedy").Ints();
        using var session = model.StartDecoding([tokens.AsMemory(0, prompt)], greedy.Length);
        foreach (var wanted in greedy)
        {
            Assert.AreEqual(wanted, session.Logits(0).IndexOf(session.Logits(0).ToArray().Max()), path);
            session.Append([wanted]);
        }
    }

    public static IEnumerable<object[]> Folders => Fixtures.Folders("golden", "transformers").Where(row => ((string)row[0]).Split('-')[0] is
        "llama" or "mistral" or "qwen3" or "granite" or "smollm3" or "olmo2" or "phi3"
            && (string)row[0] is not ("llama-dynamic" or "llama-yarn-options"));

    /// <summary>
    /// Settings and weights of the folders, whose scores other tests compare with those of transformers, survive the way through GGUF. Left out are
    /// the folders with settings that the format has no word for.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Folders))]
    public void Open_FolderWrittenAsGguf_GivesTheSameModel(string name)
    {
        using var folder = new TemporaryFolder();
        using var expected = ModelFolder.Open(Fixtures.Path_("golden", "transformers", name));
        using var found = ModelFolder.Open(folder.Write("m.gguf", GgufConversion.Convert(expected)));
        Assert.AreEqual(Text(expected.Configuration), Text(found.Configuration));
        var (frequencies, magnitude) = RopeFrequencies.Of(expected.Configuration.Rope, expected.Configuration.HeadSize);
        var (foundFrequencies, foundMagnitude) = RopeFrequencies.Of(found.Configuration.Rope, found.Configuration.HeadSize);
        for (var i = 0; i < frequencies.Length; i++) Assert.AreEqual(1, foundFrequencies[i] / frequencies[i], 1e-6, $"frequency {i}");
        Assert.AreEqual(magnitude, foundMagnitude, 1e-6);
        foreach (var weight in ModelLayout.Weights(expected.Configuration))
        {
            float[] wanted = expected.Tensor(weight.Name, weight.Shape).ToArray(), values = found.Tensor(weight.Name, weight.Shape).ToArray();
            CollectionAssert.AreEqual(wanted, values, weight.Name);
        }

        // The file does not say which layers of smollm3 rotate: three of four.
        static string Text(ModelConfiguration c) => JsonSerializer.Serialize(c with { DataType = null, Rope = new(), RotatedLayers = null });
    }

    public static IEnumerable<object[]> Written => Fixtures.Folders("golden", "transformers").Where(row => (string)row[0] is not
        ("llama-dynamic" or "llama-yarn-options" or "gemma2" or "gemma3_text" or "smollm3" or "qwen3_moe" or "qwen3_moe-unnormalised"
            or "mistral" or "qwen2"));

    /// <summary>
    /// What the library writes of a folder scores as transformers says. Left out are the folders with settings that llama.cpp does not compute.
    /// </summary>
    [TestMethod]
    [DynamicData(nameof(Written))]
    public void Score_FolderWrittenAndReadBack_EqualsTransformers(string name)
    {
        using var golden = new TransformersGolden(name);
        using var folder = ModelFolder.Open(TinyModels.WithTokenizer(golden.Folder.Path));
        var path = Path.Combine(TinyModels.NewFolder(), "model.gguf");
        GgufExport.Write(folder, null, path, new() { Type = GgufType.F32 });
        using var written = ModelFolder.Open(path);
        using var model = new ManagedEngine(2).Load(new ModelLoadOptions { Folder = written });
        foreach (var (sequence, expected) in golden.Sequences)
            NumberAssert.AreClose(expected.Doubles("log_probs"), model.Score([sequence])[0].LogProbabilities, Tolerance, name);
    }
}
