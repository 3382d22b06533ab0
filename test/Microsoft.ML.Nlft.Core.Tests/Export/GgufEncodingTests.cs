using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Export;

/// <summary>Values become the bytes that ggml makes of them.</summary>
[TestClass]
public sealed class GgufEncodingTests
{
    /// <summary>The golden files hold one model, quantised by the gguf package.</summary>
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow(GgufType.Q8_0, "q8_0.gguf")]
    [DataRow(GgufType.Q4_0, "q4_0.gguf")]
    [DataRow(GgufType.F16, "f16.gguf")]
    [DataRow(GgufType.BF16, "bf16.gguf")]
    public void FromSingle_WeightsOfTheGoldenModel_EqualTheGoldenBytes(GgufType type, string file)
    {
        if (!Directory.Exists(Fixtures.Path_("golden", "gguf"))) Assert.Inconclusive("the shared test data are not there");
        using var model = ModelFolder.Open(Fixtures.Path_("golden", "gguf", "f32.gguf"));
        using var expected = GgufModel.Open(Fixtures.Path_("golden", "gguf", file));
        using var plain = GgufModel.Open(model.Path);
        var count = 0;
        foreach (var (name, (source, entry)) in plain.Tensors.Where(tensor => tensor.Value.Entry.Shape.Length == 2))
        {
            var values = new float[entry.Shape[0] * entry.Shape[1]];
            source.Stored.Read(entry.Begin, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()), name);
            var (target, place) = expected.Tensors[name];
            Assert.AreEqual(type, place.Type);
            var bytes = new byte[place.End - place.Begin];
            target.Stored.Read(place.Begin, bytes, name);
            var written = new byte[bytes.Length];
            GgufEncoding.FromSingle(type, values, written);
            CollectionAssert.AreEqual(bytes, written, name);
            count++;
        }
        Assert.AreEqual(9, count);
    }

    [TestMethod]
    public void FromSingle_BlockOfEightBits_RoundsHalvesAwayFromZero()
    {
        var values = new float[32];
        (values[0], values[1], values[2], values[3], values[4]) = (127, 0.5f, -0.5f, 1.5f, -127);
        var block = new byte[34];
        GgufEncoding.FromSingle(GgufType.Q8_0, values, block);
        Assert.AreEqual((Half)1, BitConverter.ToHalf(block));
        CollectionAssert.AreEqual(new sbyte[] { 127, 1, -1, 2, -127, 0 }, block[2..8].Select(b => (sbyte)b).ToArray());
    }

    [TestMethod]
    public void FromSingle_BlockOfFourBits_ScalesByTheLargestWithItsSign()
    {
        var values = new float[32];
        (values[0], values[1], values[16], values[17]) = (8, -8, 3.49f, -3.51f); // of two equal magnitudes the first one counts
        var block = new byte[18];
        GgufEncoding.FromSingle(GgufType.Q4_0, values, block);
        Assert.AreEqual((Half)(-1), BitConverter.ToHalf(block));
        Assert.AreEqual(0x50, block[2]); // 8 / -1 + 8 = 0; 3.49 / -1 + 8.5 = 5.01
        Assert.AreEqual(0xCF, block[3]); // -8 / -1 + 8 = 16, at most 15; -3.51 / -1 + 8.5 = 12.01
        Assert.AreEqual(0x88, block[4]);
    }

    [TestMethod]
    [DataRow(GgufType.Q8_0)]
    [DataRow(GgufType.Q4_0)]
    public void FromSingle_BlockOfZeros_IsZero(GgufType type)
    {
        var block = new byte[type.Block().Bytes];
        GgufEncoding.FromSingle(type, new float[32], block);
        var values = new float[32];
        GgufBlocks.ToSingle(type, block, values);
        CollectionAssert.AreEqual(new float[32], values);
    }

    /// <summary>The bounds that GgufExport.Write states, over blocks of five kinds.</summary>
    [TestMethod]
    [DataRow(GgufType.Q8_0, 0.0045f, 4e-6f)]
    [DataRow(GgufType.Q4_0, 0.126f, 3e-7f)]
    public void FromSingle_AnyBlock_StaysWithinTheStatedBound(GgufType type, float relative, float absolute)
    {
        var random = new Random(3);
        Func<float>[] kinds =
        [
            () => random.NextSingle() - 0.5f, () => random.NextSingle() * 1e-4f, () => -random.NextSingle() * 1000,
            () => random.Next(20) == 0 ? 50 : random.NextSingle(), () => random.Next(2) * 2 - 1,
        ];
        var (block, back) = (new byte[type.Block().Bytes], new float[32]);
        foreach (var kind in kinds)
        {
            for (var round = 0; round < 200; round++)
            {
                var values = Enumerable.Range(0, 32).Select(_ => kind()).ToArray();
                GgufEncoding.FromSingle(type, values, block);
                GgufBlocks.ToSingle(type, block, back);
                var largest = values.Max(Math.Abs);
                for (var i = 0; i < 32; i++)
                {
                    Assert.IsLessThanOrEqualTo(relative * largest + absolute, Math.Abs(values[i] - back[i]), $"{values[i]} of {largest}");
                }
            }
        }
    }
}
