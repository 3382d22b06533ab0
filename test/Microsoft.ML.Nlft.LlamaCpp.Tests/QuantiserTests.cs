using LLama;
using LLama.Native;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TestKit;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>llama.cpp quantises a file of float32 weights to the same values.</summary>
[TestClass]
public sealed class QuantiserTests
{
    [TestMethod]
    [DataRow(GgufType.Q8_0, LLamaFtype.MOSTLY_Q8_0)]
    [DataRow(GgufType.Q4_0, LLamaFtype.MOSTLY_Q4_0)]
    public void Write_QuantisedType_EqualsLlamaQuantize(GgufType type, LLamaFtype fileType)
    {
        NativeLibrary.Require();
        using var folder = ModelFolder.Open(WrittenModel.Sample);
        var theirs = Path.Combine(TinyModels.NewFolder(), "theirs.gguf");
        Assert.IsTrue(LLamaQuantizer.Quantize(WrittenModel.Write(folder, GgufType.F32), theirs, fileType));
        using var expected = ModelFolder.Open(theirs);
        using var written = ModelFolder.Open(WrittenModel.Write(folder, type));
        var compared = 0;
        foreach (var weight in ModelLayout.Weights(folder.Configuration).Where(weight => weight.Shape.Length == 2))
        {
            if (expected.StoredAs(weight.Name).Type != written.StoredAs(weight.Name).Type) continue; // llama.cpp keeps more bits of the embedding
            CollectionAssert.AreEqual(
                expected.Tensor(weight.Name, weight.Shape).ToArray(), written.Tensor(weight.Name, weight.Shape).ToArray(), weight.Name);
            compared++;
        }
        Assert.IsGreaterThanOrEqualTo(7 * folder.Configuration.LayerCount, compared);
    }
}
