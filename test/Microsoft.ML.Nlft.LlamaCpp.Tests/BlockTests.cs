using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>Blocks have the bytes and the values that ggml gives them.</summary>
[TestClass]
public sealed class BlockTests
{
    private const int Columns = 2048;

    public static IEnumerable<object[]> Read => Enum.GetValues<GgufType>().Where(type => type.IsQuantised()).Select(type => new object[] { type });

    [TestMethod]
    [DynamicData(nameof(Read))]
    public void ToSingle_BlocksOfAnyBytes_EqualsGgmlToTheBit(GgufType type)
    {
        var random = new Random(7);
        var blocks = new byte[1000 * type.Block().Bytes];
        random.NextBytes(blocks);
        var (expected, found) = (Ggml.ToSingle(type, blocks), new float[1000 * type.Block().Values]);
        GgufBlocks.ToSingle(type, blocks, found);
        for (var i = 0; i < found.Length; i++)
        {
            if (float.IsNaN(expected[i])) Assert.IsTrue(float.IsNaN(found[i]), $"value {i}"); // scales may be any float16
            else Assert.AreEqual(BitConverter.SingleToInt32Bits(expected[i]), BitConverter.SingleToInt32Bits(found[i]), $"value {i}: {expected[i]}");
        }
    }

    private static readonly Dictionary<string, Func<Random, int, float>> s_kinds = new()
    {
        ["normal"] = (random, _) => Normal(random),
        ["uniform"] = (random, _) => random.NextSingle() - 0.5f,
        ["positive"] = (random, _) => random.NextSingle() + 1,
        ["negative"] = (random, _) => -random.NextSingle() - 3,
        ["zero"] = (_, _) => 0,
        ["negative zero"] = (_, _) => -0f,
        ["constant"] = (_, _) => 0.37f,
        ["negative constant"] = (_, _) => -0.37f,
        ["two values"] = (random, _) => random.Next(2) * 2 - 1,
        ["integers"] = (random, _) => random.Next(-8, 8),
        ["large"] = (random, _) => Normal(random) * 20000,
        ["tiny"] = (random, _) => Normal(random) * 1e-7f,
        ["smallest"] = (random, _) => Normal(random) * 1e-16f,
        ["denormal"] = (random, _) => Normal(random) * 1e-40f,
        ["mixed"] = (random, i) => Normal(random) * MathF.Pow(10, i / 32 % 9 - 5),
        ["sparse"] = (random, _) => random.Next(30) == 0 ? Normal(random) : 0,
        ["spikes"] = (random, _) => random.Next(40) == 0 ? 100 * Normal(random) : Normal(random),
        ["ramp"] = (_, i) => i % 256 * 0.01f - 1,
    };

    /// <summary>Of denormal numbers ggml makes infinities in Q8_0 and Q4_0, which C does not define as integers.</summary>
    public static IEnumerable<object[]> Written => from kind in s_kinds.Keys
        from type in new[] { GgufType.Q8_0, GgufType.Q6_K, GgufType.Q4_K, GgufType.Q4_0 }
        where kind != "denormal" || type.Block().Values == 256
        select new object[] { type, kind };

    [TestMethod]
    [DynamicData(nameof(Written))]
    public void FromSingle_Rows_EqualGgmlToTheByte(GgufType type, string kind)
    {
        var random = new Random(11);
        for (var round = 0; round < 20; round++)
        {
            var values = Enumerable.Range(0, Columns).Select(i => s_kinds[kind](random, i)).ToArray();
            var expected = Ggml.Quantise(type, values);
            var found = new byte[expected.Length];
            GgufEncoding.FromSingle(type, values, found);
            CollectionAssert.AreEqual(expected, found, $"round {round}");
        }
    }

    private static float Normal(Random random) =>
        (float)(Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()));
}
