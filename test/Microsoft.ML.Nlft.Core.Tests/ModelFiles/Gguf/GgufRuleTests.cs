using System.Buffers.Binary;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Reliability.Fuzzing;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>Every rule of the container has its refusal; what the rules allow is read.</summary>
[TestClass]
public sealed class GgufRuleTests
{
    private const string Export = " The file is damaged or incomplete: download or export it again.";
    private static readonly byte[] s_four = new byte[16];

    private static GgufBytes Small(uint version = 3, int alignment = 32) => new() { Version = version, Alignment = alignment };

    private static string Refusal(byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", bytes);
        return folder.Refusal(() => GgufFile.Open(path).Dispose());
    }

    private static string Refusal(GgufBytes bytes) => Refusal(bytes.Build());

    /// <summary>Returns the file with other bytes at a place; from the end, if the place is negative.</summary>
    private static byte[] With(byte[] file, int at, params byte[] bytes)
    {
        bytes.CopyTo(file.AsSpan(at < 0 ? file.Length + at : at));
        return file;
    }

    private static byte[] Number(ulong value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return bytes;
    }

    [TestMethod]
    [DataRow(2u)]
    [DataRow(3u)]
    public void Open_ValuesOfEveryType_ReadsThem(uint version)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", Small(version).Add("a", (byte)200).Add("b", (sbyte)-3).Add("c", (ushort)60000).Add("d", (short)-300)
            .Add("e", 4000000000u).Add("f", -5).Add("g", 1e-05f).Add("h", true).Add("i", "Grüße").Add("j", 1UL << 40).Add("k", -1L).Add("l", 0.25)
            .Add("m", new[] { "x", "" }).Add("n", new[] { 1, -2 }).Add("o", new[] { 0.5f }).Floats("t", [2, 2], 1, 2, 3, 4).Floats("u", [3], 5, 6, 7)
            .Build());
        using var file = GgufFile.Open(path);
        var m = file.Metadata;
        Assert.AreEqual((200, 60000, 1e-05, true, "Grüße"), (m.Integer("a"), m.Integer("c"), m.Number("g"), m.Flag("h"), m.Text("i")));
        Assert.AreEqual((-3, -300, -5, -1), (m.Integer("b", -10), m.Integer("d", -1000), m.Integer("f", -10), m.Integer("k", -1)));
        Assert.AreEqual((4e9, 1099511627776.0, 0.25), (m.Number("e"), m.Number("j"), m.Number("l")));
        CollectionAssert.AreEqual(new[] { "x", "" }, m.Texts("m"));
        CollectionAssert.AreEqual(new[] { 1, -2 }, m.Integers("n"));
        CollectionAssert.AreEqual(new[] { 0.5f }, m.Floats("o"));
        Assert.AreEqual((null, null, null, null, null), (m.Text("-"), m.Flag("-"), m.Integer("-"), m.Number("-"), m.Texts("-")));
        Assert.AreEqual("t [2, 2], u [3]", string.Join(", ", file.Tensors.Select(tensor => $"{tensor.Name} {TensorTypes.Text(tensor.Shape)}")));
        CollectionAssert.AreEqual(new float[] { 5, 6, 7 }, new GgufTensor(file, file.Tensors[1], "u").ToData().ToArray());
    }

    [TestMethod]
    [DataRow(8)]
    [DataRow(64)]
    [DataRow(4096)]
    public void Open_OtherAlignment_FindsTheTensors(int alignment)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", Small(alignment: alignment).Add("general.alignment", (uint)alignment).Floats("a", [1], 1)
            .Floats("b", [1], 2).Build());
        using var file = GgufFile.Open(path);
        Assert.AreEqual(0, file.Tensors[1].Begin % alignment);
        CollectionAssert.AreEqual(new float[] { 2 }, new GgufTensor(file, file.Tensors[1], "b").ToData().ToArray());
    }

    [TestMethod]
    public void Open_NoGgufFile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        StringAssert.StartsWith(folder.Refusal(() => GgufFile.Open(folder.File("none.gguf"))),
            "none.gguf: found no such file; expected a readable GGUF file.");
        Assert.AreEqual("m.gguf: found 3 bytes; expected at least the 24 bytes of magic, version and counts." + Export, Refusal("GGU"u8.ToArray()));
        Assert.AreEqual("m.gguf: found a file that begins with 504B0304; expected \"GGUF\". Name a GGUF file.",
            Refusal(With(Small().Build(), 0, 0x50, 0x4B, 3, 4)));
        StringAssert.StartsWith(Refusal("version https://git-lfs.github.com/spec/v1\n"u8.ToArray()),
            "m.gguf: found a Git LFS pointer; expected the GGUF file itself.");
    }

    [TestMethod]
    [DataRow(1u, "version 1; expected version 2 or 3. Convert the original model again with a newer llama.cpp.")]
    [DataRow(0u, "version 0; expected version 2 or 3. Convert the original model again with a newer llama.cpp.")]
    [DataRow(4u, "version 4; expected version 2 or 3. Convert the original model again with a newer llama.cpp.")]
    [DataRow(0x03000000u, "a big-endian file; expected a little-endian one. Convert it with llama.cpp's gguf_convert_endian.py.")]
    public void Open_OtherVersion_IsRefused(uint version, string expected) => Assert.AreEqual($"m.gguf: found {expected}", Refusal(Small(version)));

    [TestMethod]
    public void Open_CountsBeyondTheFile_AreRefused()
    {
        foreach (var count in (ulong[])[1, 1000, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue])
        {
            StringAssert.StartsWith(Refusal(With(Small().Build(), 8, Number(count))), $"m.gguf, number of tensors: found a count of {count} before");
            StringAssert.StartsWith(Refusal(With(Small().Build(), 16, Number(count))),
                $"m.gguf, number of metadata keys: found a count of {count} before");
            StringAssert.StartsWith(Refusal(With(Small().Add("k", "v").Build(), 24, Number(count + 100))),
                "m.gguf, key 1 of the metadata: found a count of ");
            StringAssert.StartsWith(Refusal(With(Small().Add("k", new[] { 1 }).Build(), 24 + 9 + 4 + 4, Number(count + 100))),
                "m.gguf, \"k\": found a count of ");
            StringAssert.StartsWith(Refusal(With(Small().Add("k", new[] { "v" }).Build(), 24 + 9 + 4 + 4, Number(count + 100))),
                "m.gguf, \"k\": found a count of ");
        }
    }

    [TestMethod]
    public void Open_MetadataAgainstTheRules_IsRefused()
    {
        const int Type = 24 + 9; // of the first value, whose key is k
        Assert.AreEqual("m.gguf, \"k\": found the key twice; expected each key once." + Export, Refusal(Small().Add("k", 1).Add("k", 1)));
        Assert.AreEqual("m.gguf, key 1 of the metadata: found a key of 0 characters; expected 1 to 65535." + Export, Refusal(Small().Add("", 1)));
        Assert.AreEqual("m.gguf, key 1 of the metadata: found a key of 65536 characters; expected 1 to 65535." + Export,
            Refusal(Small().Add(new string('k', 65536), 1)));
        Assert.AreEqual("m.gguf, \"k\": found a value of type 13; expected a type from 0 to 12." + Export,
            Refusal(With(Small().Add("k", 1).Build(), Type, 13)));
        Assert.AreEqual("m.gguf, \"k\": found a list of lists; expected a list of texts, numbers or flags." + Export,
            Refusal(With(Small().Add("k", new[] { 1 }).Build(), Type + 4, 9)));
        Assert.AreEqual("m.gguf, \"k\": found a flag of 2; expected 0 or 1." + Export, Refusal(With(Small().Add("k", true).Build(), Type + 4, 2)));
        Assert.AreEqual("m.gguf, \"k\": found bytes that are not UTF-8; expected UTF-8 text." + Export,
            Refusal(With(Small().Add("k", "ab").Build(), Type + 12, 0xC3, 0x28)));
        Assert.AreEqual("m.gguf, \"k\": found the end of the file after 1 of its bytes; expected 4 bytes." + Export,
            Refusal(Small().Add("k", 1).Build()[..(Type + 5)]));
        StringAssert.StartsWith(Refusal(Small().Add("general.alignment", 0u)),
            "m.gguf, \"general.alignment\": found 0; expected an integer from 8 to 1048576.");
        StringAssert.StartsWith(Refusal(Small().Add("general.alignment", 24u)), "m.gguf, \"general.alignment\": found 24; expected a power of two.");
        StringAssert.StartsWith(Refusal(Small().Add("general.alignment", "32")), "m.gguf, \"general.alignment\": found \"32\"; expected an integer ");
    }

    [TestMethod]
    public void Open_TensorsAgainstTheRules_AreRefused()
    {
        static string Tensor(GgufBytes bytes) => Refusal(bytes);
        Assert.AreEqual("m.gguf, tensor \"t\": found the tensor twice; expected each tensor once." + Export,
            Tensor(Small().Tensor("t", 0, [4], s_four).Tensor("t", 0, [4], s_four)));
        Assert.AreEqual("m.gguf, name of tensor 1: found a name of 0 characters; expected 1 to 64." + Export,
            Tensor(Small().Tensor("", 0, [4], s_four)));
        Assert.AreEqual("m.gguf, name of tensor 1: found a name of 65 characters; expected 1 to 64." + Export,
            Tensor(Small().Tensor(new string('t', 65), 0, [4], s_four)));
        Assert.AreEqual("m.gguf, tensor \"t\": found 0 dimensions; expected 1 to 4." + Export, Tensor(Small().Tensor("t", 0, [], s_four)));
        Assert.AreEqual("m.gguf, tensor \"t\": found 5 dimensions; expected 1 to 4." + Export,
            Tensor(Small().Tensor("t", 0, [1, 1, 1, 1, 4], s_four)));
        Assert.AreEqual("m.gguf, tensor \"t\": found shape [2, 0] of F32; expected sizes above 0." + Export,
            Tensor(Small().Tensor("t", 0, [2, 0], s_four)));
        Assert.AreEqual("m.gguf, tensor \"t\": found shape [31] of Q8_0; expected rows of a multiple of 32 values, the block of Q8_0." + Export,
            Tensor(Small().Tensor("t", 8, [31], new byte[34])));
        StringAssert.StartsWith(Tensor(Small().Tensor("t", 0, [ulong.MaxValue, ulong.MaxValue, 2], s_four)), "m.gguf, tensor \"t\": found shape [");
        StringAssert.StartsWith(Tensor(Small().Tensor("t", 0, [1UL << 32, 1UL << 32], s_four)), "m.gguf, tensor \"t\": found shape [");
        StringAssert.StartsWith(Tensor(Small().Tensor("t", 0, [1000], s_four)), "m.gguf, tensor \"t\": found shape [1000] of F32, in the ");
        StringAssert.Contains(Tensor(Small().Tensor("t", 0, [9], s_four)), "expected a tensor that ends inside the file");
    }

    [TestMethod]
    [DataRow(9u, "Q8_1")]
    [DataRow(15u, "Q8_K")]
    [DataRow(16u, "IQ2_XXS")]
    [DataRow(21u, "IQ3_S")]
    [DataRow(34u, "TQ1_0")]
    [DataRow(29u, "IQ1_M")]
    [DataRow(26u, "I32")]
    [DataRow(4u, "4")]
    [DataRow(99u, "99")]
    public void Open_TypeThatIsNotRead_IsRefusedByName(uint type, string name) => StringAssert.StartsWith(
        Refusal(Small().Tensor("t", type, [256], s_four)),
            $"m.gguf, tensor \"t\": found element type {name}; expected {GgufTypes.Names}. Use a file of ");

    [TestMethod]
    public void Open_PlacesAgainstTheRules_AreRefused()
    {
        var two = Small().Floats("a", [1], 1).Floats("b", [1], 2).Build();
        const int Offset = 24 + 2 * 33 - 8; // of the second tensor
        foreach (var (offset, found) in ((ulong, string)[])[(0, "0"), (1, "1"), (33, "33"), (64, "64"), (ulong.MaxValue, "18446744073709551615")])
        {
            StringAssert.Contains(Refusal(With([.. two], Offset, Number(offset))), $"found offset {found}; expected ", $"{offset}");
        }
        Assert.AreEqual("m.gguf, tensor \"b\": found an end at byte 132 of 131; expected a tensor that ends inside the file." + Export,
            Refusal(two[..131]));
        Assert.AreEqual("m.gguf: found 65 bytes after the header; expected 36, the end of the last tensor." + Export, Refusal([.. two, 0]));
        using var folder = new TemporaryFolder();
        using var unpadded = GgufFile.Open(folder.Write("u.gguf", two[..132]));
        Assert.HasCount(2, unpadded.Tensors, "the last tensor need not be padded");
    }

    [TestMethod]
    public void Read_FileThatChanges_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("m.gguf", Small().Floats("a", [4], 1, 2, 3, 4).Build());
        using var file = GgufFile.Open(path);
        var tensor = new GgufTensor(file, file.Tensors[0], "a").ToData();
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes(1));
        StringAssert.StartsWith(folder.Refusal(() => tensor.ToArray()),
            "m.gguf, tensor \"a\": found a file that was written to after it was opened;");
        file.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => tensor.ToArray());
    }

    [TestMethod]
    public void ToSingle_WrongLength_IsRefused()
    {
        Assert.ThrowsExactly<ArgumentException>(() => GgufBlocks.ToSingle(GgufType.Q4_0, new byte[18], new float[31]));
        Assert.ThrowsExactly<ArgumentException>(() => GgufBlocks.ToSingle(GgufType.Q4_0, new byte[17], new float[32]));
        Assert.ThrowsExactly<ArgumentException>(() => GgufBlocks.ToSingle(GgufType.F32, new byte[4], new float[1]));
    }
}
