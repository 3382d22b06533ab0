using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Every rule of the safetensors format on literal bytes: what is refused, with which message, and what is not.</summary>
[TestClass]
public sealed class SafetensorsRuleTests
{
    private const string Damaged = "The file is damaged or incomplete: download or export it again.";
    private const string Types = "BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, "
        + "U64";

    public static IEnumerable<object[]> Headers =>
    [
        ["", 0, "model.safetensors: found invalid JSON (line 1, column 1: "],
        ["[]", 0, $"model.safetensors: found []; expected a safetensors header: one JSON object. {Damaged}"],
        ["{\"a\":", 0, "found invalid JSON (line 1, column 6: "],
        ["{} x", 0, "found invalid JSON (line 1, column 4: "],
        [string.Concat(Enumerable.Repeat("{\"a\":", 100)), 0,
            "model.safetensors: found invalid JSON (line 1, column "],
        ["""{"a":{"a":{"a":{}}}}""", 0, $"tensor \"a\": found key \"a\"; expected only dtype, shape and data_offsets. {Damaged}"],
        ["""{"a\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4,
            "model.safetensors, a property name: found half of a surrogate pair;"],
        ["""{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2,
            "model.safetensors, \"a\": found the key twice, the second time in line 1, column 54; expected each key once."],
        ["""{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}""", 1,
            "\"a.dtype\": found the key twice, the second time in line 1, column 20; expected each key once. Remove one of them."],
        ["""{"__metadata__":{"format":"pt","format":"tf"}}""", 0,
            "\"__metadata__.format\": found the key twice, the second time in line 1, column 32;"],
        ["""{"__metadata__":{"step":7}}""", 0, $"model.safetensors, \"__metadata__.step\": found 7; expected a string. {Damaged}"],
        ["""{"__metadata__":"pt"}""", 0, $"\"__metadata__\": found \"pt\"; expected an object. {Damaged}"],
        ["""{"a":7}""", 0, $"model.safetensors, \"a\": found 7; expected an object. {Damaged}"],
        ["""{"a":{"dtype":"F16X","shape":[1],"data_offsets":[0,2]}}""", 2,
            $"model.safetensors, \"a.dtype\": found \"F16X\"; expected one of {Types}. Convert the tensor to one of these types."],
        ["""{"a":{"dtype":9,"shape":[1],"data_offsets":[0,2]}}""", 2, $"\"a.dtype\": found 9; expected a string. {Damaged}"],
        ["""{"a":{"shape":[1],"data_offsets":[0,2]}}""", 2, $"tensor \"a\": found no dtype; expected dtype, shape and data_offsets. {Damaged}"],
        ["""{"a":{"dtype":"F16","data_offsets":[0,2]}}""", 2, $"tensor \"a\": found no shape; expected dtype, shape and data_offsets. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":[1]}}""", 2, $"tensor \"a\": found no data_offsets; expected dtype, shape and data_offsets. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2],"note":""}}""", 2,
            $"tensor \"a\": found key \"note\"; expected only dtype, shape and data_offsets. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":7,"data_offsets":[0,2]}}""", 2, $"\"a.shape\": found 7; expected an array. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":[-1],"data_offsets":[0,2]}}""", 2,
            $"\"a.shape[0]\": found -1; expected an integer from 0 to 18446744073709551615. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":[1.0],"data_offsets":[0,2]}}""", 2,
            $"\"a.shape[0]\": found 1.0; expected an integer from 0 to 18446744073709551615. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":["1"],"data_offsets":[0,2]}}""", 2,
            $"\"a.shape[0]\": found \"1\"; expected an integer from 0 to 18446744073709551615. {Damaged}"],
        [$$$"""{"a":{"dtype":"U8","shape":[{{{string.Join(",", Enumerable.Repeat(1, 65))}}}],"data_offsets":[0,1]}}""", 1,
            $"; expected a list of at most 64 integers. {Damaged}"],
        ["""{"a":{"dtype":"F16","shape":[1],"data_offsets":[0]}}""", 2,
            $"\"a.data_offsets\": found [0]; expected two integers: begin and end. {Damaged}"],
        ["""{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3,
            $"tensor \"a\": found data_offsets [1, 3]; expected a begin of 0 (no hole, no overlap) and an end not before it. {Damaged}"],
        ["""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}""", 3,
            $"tensor \"b\": found data_offsets [1, 3]; expected a begin of 2 (no hole, no overlap) and an end not before it. {Damaged}"],
        ["""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""", 2,
            $"tensor \"b\": found data_offsets [0, 2]; expected a begin of 2 (no hole, no overlap) and an end not before it. {Damaged}"],
        ["""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}}""", 6,
            $"tensor \"b\": found data_offsets [4, 6]; expected a begin of 2 (no hole, no overlap) and an end not before it. {Damaged}"],
        ["""{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}}""", 2,
            $"tensor \"b\": found data_offsets [2, 0]; expected a begin of 2 (no hole, no overlap) and an end not before it. {Damaged}"],
        ["""{"a":{"dtype":"F32","shape":[2,18446744073709551614],"data_offsets":[0,16]}}""", 16,
            $"tensor \"a\": found shape [2, 18446744073709551614] of F32; expected a size that fits in 64 bits. {Damaged}"],
        ["""{"a":{"dtype":"F32","shape":[2,9223372036854775807],"data_offsets":[0,16]}}""", 16,
            $"tensor \"a\": found shape [2, 9223372036854775807] of F32; expected a size that fits in 64 bits. {Damaged}"],
        ["""{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}""", 0,
            $"tensor \"a\": found shape [0, 18446744073709551615] of F32; expected a size that fits in 64 bits. {Damaged}"],
        ["""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}""", 1,
            $"tensor \"a\": found shape [3] of F4, 12 bits; expected a whole number of bytes. {Damaged}"],
        ["""{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,12]}}""", 12,
            $"tensor \"a\": found 12 bytes of data; expected 16 for shape [2, 2] of F32. {Damaged}"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3,
            $"model.safetensors: found 3 bytes after the header; expected 4, the end of the last tensor. {Damaged}"],
        ["""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5,
            $"model.safetensors: found 5 bytes after the header; expected 4, the end of the last tensor. {Damaged}"],
    ];

    [TestMethod]
    [DynamicData(nameof(Headers))]
    public void Open_BrokenHeader_IsRefusedWithItsOwnMessage(string header, int dataBytes, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("model.safetensors", TemporaryFolder.Safetensors(header, dataBytes));
        StringAssert.Contains(folder.Refusal(() => SafetensorsFile.Open(path)), expected);
    }

    [TestMethod]
    public void Open_FileOfLessThanEightBytes_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("model.safetensors", new byte[7]);
        Assert.AreEqual($"model.safetensors: found 7 bytes; expected at least the 8 bytes of the header length. {Damaged}",
            folder.Refusal(() => SafetensorsFile.Open(path)));
    }

    [TestMethod]
    public void Open_HeaderOverTheDecimalLimit_IsRefusedBeforeAnythingIsAllocated()
    {
        using var folder = new TemporaryFolder();
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, 100_000_001);
        var path = folder.Write("model.safetensors", bytes);
        Assert.AreEqual("model.safetensors: found a header of 100000001 bytes; expected at most 100000000. This is no safetensors file, or it is "
            + "damaged: download or export it again.",
            folder.Refusal(() => SafetensorsFile.Open(path)));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, ulong.MaxValue);
        folder.Write("model.safetensors", bytes);
        StringAssert.Contains(folder.Refusal(() => SafetensorsFile.Open(path)), "found a header of 18446744073709551615 bytes");
    }

    [TestMethod]
    public void Open_HeaderThatEndsBeyondTheFile_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("model.safetensors", [60, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'}']);
        Assert.AreEqual($"model.safetensors: found a header of 60 bytes in a file of 10; expected a header that ends inside the file. {Damaged}",
            folder.Refusal(() => SafetensorsFile.Open(path)));
    }

    [TestMethod]
    public void Open_HeaderThatIsNotUtf8_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("model.safetensors", TemporaryFolder.Safetensors([(byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)'}'], 0));
        Assert.AreEqual($"model.safetensors, line 1, column 3: found 0xFF, which is not UTF-8; expected UTF-8 text. {Damaged}",
            folder.Refusal(() => SafetensorsFile.Open(path)));
    }

    [TestMethod]
    public void Open_GitLfsPointer_IsRecognised()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
        Assert.AreEqual("model.safetensors: found a Git LFS pointer; expected the safetensors file itself. Run 'git lfs pull' in the folder, or "
            + "download the file.", folder.Refusal(() => SafetensorsFile.Open(path)));
    }

    [TestMethod]
    public void Open_MissingFile_IsNamed()
    {
        using var folder = new TemporaryFolder();
        Assert.AreEqual("none.safetensors: found no such file; expected a readable safetensors file. Check the path and the permissions.",
            folder.Refusal(() => SafetensorsFile.Open(folder.File("none.safetensors"))));
    }

    [TestMethod]
    [DataRow("{}")]
    [DataRow("  \n{}   ")]
    [DataRow("\uFEFF{}")]
    [DataRow("""{"__metadata__":{}}""")]
    public void Open_EmptyHeaderWithWhiteSpaceOrAMarkAroundIt_IsLegal(string header)
    {
        using var folder = new TemporaryFolder();
        using var file = SafetensorsFile.Open(folder.Write("model.safetensors", TemporaryFolder.Safetensors(header, 0)));
        Assert.IsEmpty(file.Entries);
    }

    [TestMethod]
    public void Open_ScalarsEmptyTensorsAndEveryType_AreLegal()
    {
        using var folder = new TemporaryFolder();
        var header = new StringBuilder("""
            {"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]}
            """);
        var offset = 4;
        foreach (var type in Enum.GetValues<TensorType>())
        {
            header.Append($$"""
                ,"{{type}}":{"dtype":"{{type.FileName()}}","shape":[4],"data_offsets":[{{offset}},{{offset += type.BitSize() / 2}}]}
                """);
        }
        using var file = SafetensorsFile.Open(folder.Write("model.safetensors", TemporaryFolder.Safetensors(header + "}", offset)));
        Assert.AreEqual(0, file.Tensor("none").Bytes.Length);
        CollectionAssert.AreEqual(Array.Empty<long>(), file.Tensor("scalar").Shape);
        Assert.AreEqual(4, file.Tensor("scalar").Bytes.Length);
        foreach (var type in Enum.GetValues<TensorType>()) Assert.AreEqual(type, file.Tensor(type.ToString()).Type);
    }
}
