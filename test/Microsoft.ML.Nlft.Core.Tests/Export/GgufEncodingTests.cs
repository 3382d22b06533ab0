using System.Buffers.Binary;
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
    [DataRow(GgufType.Q6_K)]
    [DataRow(GgufType.Q4_K)]
    [DataRow(GgufType.Q4_0)]
    public void FromSingle_BlockOfZeros_IsZero(GgufType type)
    {
        var (values, bytes) = type.Block();
        var (block, back) = (new byte[bytes], new float[values]);
        GgufEncoding.FromSingle(type, new float[values], block);
        GgufBlocks.ToSingle(type, block, back);
        CollectionAssert.AreEqual(new float[values], back);
    }

    /// <summary>The bounds that GgufExport.Write states, over blocks of five kinds.</summary>
    [TestMethod]
    [DataRow(GgufType.Q8_0, 0.0045f, 4e-6f)]
    [DataRow(GgufType.Q6_K, 0.165f, 1.3e-4f)]
    [DataRow(GgufType.Q4_K, 0.54f, 3.1e-5f)]
    [DataRow(GgufType.Q4_0, 0.126f, 3e-7f)]
    public void FromSingle_AnyBlock_StaysWithinTheStatedBound(GgufType type, float relative, float absolute)
    {
        var (random, size) = (new Random(3), type.Block().Values);
        Func<float>[] kinds =
        [
            () => random.NextSingle() - 0.5f, () => random.NextSingle() * 1e-4f, () => -random.NextSingle() * 1000,
            () => random.Next(20) == 0 ? 50 : random.NextSingle(), () => random.Next(2) * 2 - 1, () => MathF.Pow(random.NextSingle() - 0.5f, 9),
        ];
        var (block, back) = (new byte[type.Block().Bytes], new float[size]);
        foreach (var kind in kinds)
        {
            for (var round = 0; round < 200; round++)
            {
                var values = Enumerable.Range(0, size).Select(_ => kind()).ToArray();
                GgufEncoding.FromSingle(type, values, block);
                GgufBlocks.ToSingle(type, block, back);
                var largest = values.Max(Math.Abs);
                var ofScales = type != GgufType.Q4_K ? 0
                    : 8 * (float)BinaryPrimitives.ReadHalfLittleEndian(block) + (float)BinaryPrimitives.ReadHalfLittleEndian(block.AsSpan(2));
                for (var i = 0; i < size; i++)
                {
                    Assert.IsLessThanOrEqualTo(relative * largest + ofScales + absolute, Math.Abs(values[i] - back[i]),
                        $"{values[i]} of {largest}");
                }
                if (type != GgufType.Q4_K) continue;
                foreach (var errors in values.Zip(back, (value, found) => value - found).Chunk(32))
                {
                    Assert.IsLessThanOrEqualTo(0.095f * largest + ofScales + absolute, MathF.Sqrt(errors.Average(error => error * error)),
                        $"root mean square, of {largest}");
                }
            }
        }
    }

    /// <summary>More bits, and scales that fit better, bring the weights of a layer closer.</summary>
    [TestMethod]
    public void FromSingle_NormalWeights_AreCloserTheMoreBitsTheTypeHas()
    {
        var random = new Random(8);
        var values = Enumerable.Range(0, 256 * 64)
            .Select(_ => (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(Math.Tau * random.NextDouble()))).ToArray();
        GgufType[] types = [GgufType.Q4_0, GgufType.Q4_K, GgufType.Q6_K, GgufType.Q8_0, GgufType.BF16, GgufType.F16, GgufType.F32];
        var errors = types.Select(Error).ToList();
        for (var i = 1; i < types.Length; i++) Assert.IsLessThan(errors[i - 1], errors[i], $"{types[i]} and {types[i - 1]}");

        double Error(GgufType type)
        {
            var (count, size) = type.Block();
            var (bytes, back) = (new byte[values.Length / count * size], new float[values.Length]);
            GgufEncoding.FromSingle(type, values, bytes);
            if (type.IsQuantised()) GgufBlocks.ToSingle(type, bytes, back);
            else TensorConversion.ToSingle(type.Lossless(), bytes, back);
            return values.Zip(back, (value, found) => (double)(value - found) * (value - found)).Sum();
        }
    }
}
