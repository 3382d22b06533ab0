using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class TiedEmbeddingTests
{
    [TestMethod]
    [DataRow(TensorType.BF16, true)]
    [DataRow(TensorType.F64, true)]
    [DataRow(TensorType.F32, false)]
    public void Open_EqualHeadOfAnyType_IsTied(TensorType type, bool equal)
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(Write(folder, type, equal ? 97 : 96));
        Assert.AreEqual(equal, model.Configuration.TieWordEmbeddings);
        Assert.AreEqual(equal, System.Text.Encoding.UTF8.GetString(model.ConfigurationJson).Contains("\"tie_word_embeddings\": true"));
    }

    [TestMethod]
    public void MergeInto_OwnHeadUnderATiedConfiguration_SaysThatItIsNotTied()
    {
        using var folder = new TemporaryFolder();
        using var model = ModelFolder.Open(Write(folder, TensorType.F32, 5));
        LoraAdapter.Create(new LoraConfiguration(), model.Configuration, seed: 1).MergeInto(model, folder.File("merged"));
        using var merged = ModelFolder.Open(folder.File("merged"));
        Assert.IsFalse(ModelConfiguration.Load(folder.File("merged")).TieWordEmbeddings);
        Assert.IsTrue(merged.RawTensor("lm_head.weight").Bytes.Span.SequenceEqual(model.RawTensor("lm_head.weight").Bytes.Span));
    }

    [TestMethod]
    public void Open_HeadOfAnotherShape_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = Write(folder, TensorType.F32, 97, rows: 96);
        Assert.AreEqual("model/model.safetensors, tensor \"lm_head.weight\": found shape [96, 32]; expected [97, 32]. Check that config.json belongs "
            + "to the weights.", folder.Refusal(() => ModelFolder.Open(path)).Replace('\\', '/'));
    }

    [TestMethod]
    [DataRow("""{"a": {"tie_word_embeddings": true}, "tie_word_embeddings": true}""",
        """{"a": {"tie_word_embeddings": true}, "tie_word_embeddings": false}""")]
    [DataRow("""{"tie_word_embeddings":true,"x":1}""", """{"tie_word_embeddings":false,"x":1}""")]
    [DataRow("""{"x": 1}""", "{\n  \"tie_word_embeddings\": false,\"x\": 1}")]
    public void WithTiedEmbeddings_AnyFile_ChangesThatValueAlone(string json, string expected) =>
        Assert.AreEqual(expected,
            System.Text.Encoding.UTF8.GetString(ConfigurationEdit.WithTiedEmbeddings(System.Text.Encoding.UTF8.GetBytes(json), tied: false)));

    /// <summary>A model that says that it is tied, with an output layer of which some rows equal those of the embedding.</summary>
    private static string Write(TemporaryFolder folder, TensorType type, int equalRows, int rows = 97)
    {
        var configuration = ModelConfiguration.Load(
            folder.Write("configuration.json", ModelConfigurationTests.Config("""{"tie_word_embeddings": true}""")));
        ModelInitializer.Create(folder.File("base"), configuration, seed: 7, TensorType.BF16);
        using var model = ModelFolder.Open(folder.File("base"));
        var values = model.RawTensor("model.embed_tokens.weight").ToArray()[..(rows * 32)];
        for (var i = equalRows * 32; i < values.Length; i++) values[i] += 1;
        SafetensorsWriter.Write(folder.File("model/model.safetensors"),
            model.TensorNames.Select(name => SafetensorsSource.From(model.RawTensor(name)))
                .Append(SafetensorsSource.From(new NamedTensor("lm_head.weight", [rows, 32], values), type)));
        folder.Write("model/config.json", model.ConfigurationJson);
        return folder.File("model");
    }
}
