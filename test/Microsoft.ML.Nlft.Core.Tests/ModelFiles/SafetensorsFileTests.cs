using System.Text;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

[TestClass]
public sealed class SafetensorsFileTests
{
    [TestMethod]
    public void WriteAndOpen_RandomTensors_SurviveTheRoundTrip()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            using var folder = new TemporaryFolder();
            var random = new Random(seed);
            var expected = new Dictionary<string, (TensorType Type, long[] Shape, byte[] Bytes)>();
            for (var i = random.Next(12); i > 0; i--)
            {
                var type = (TensorType)random.Next(Enum.GetValues<TensorType>().Length);
                var shape = Enumerable.Range(0, random.Next(4)).Select(_ => (long)random.Next(5)).Append(4).ToArray();
                var bytes = new byte[shape.Aggregate(1L, (product, size) => product * size) * type.BitSize() / 8];
                random.NextBytes(bytes);
                expected[$"Schicht.{random.Next(100)}.ü\"\\{i}"] = (type, shape, bytes);
            }
            var path = folder.File("t.safetensors");
            SafetensorsWriter.Write(path,
                expected.Select(pair => new SafetensorsSource(pair.Key, pair.Value.Type, pair.Value.Shape, stream => stream.Write(pair.Value.Bytes))),
                new Dictionary<string, string> { ["seed"] = $"{seed}" });

            using var file = SafetensorsFile.Open(path);
            Assert.AreEqual($"{seed}", file.Metadata["seed"]);
            Assert.HasCount(expected.Count, file.Entries);
            foreach (var (name, tensor) in expected)
            {
                var read = file.Tensor(name);
                Assert.AreEqual(tensor.Type, read.Type);
                CollectionAssert.AreEqual(tensor.Shape, read.Shape);
                var copy = new byte[tensor.Bytes.Length];
                read.Read(copy);
                CollectionAssert.AreEqual(tensor.Bytes, copy, name);
                Assert.IsTrue(read.Bytes.Span.SequenceEqual(tensor.Bytes), name);
                read.Read(copy);
                CollectionAssert.AreEqual(tensor.Bytes, copy, name);
            }
        }
    }

    [TestMethod]
    public void Write_SeveralTensors_AreSortedByTypeThenNameAndTheHeaderPadded()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        SafetensorsWriter.Write(path,
        [
            SafetensorsSource.From(new NamedTensor("b", [1], [1]), TensorType.BF16),
            SafetensorsSource.From(new NamedTensor("z", [2], [1, 2]), TensorType.F32),
            SafetensorsSource.From(new NamedTensor("a", [], [-2]), TensorType.F32),
        ]);
        var bytes = File.ReadAllBytes(path);
        const string Header = """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}"""
            + ""","z":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[12,14]}}""";
        var padded = Header.PadRight((Header.Length + 7) / 8 * 8);
        Assert.AreEqual(padded.Length, BitConverter.ToInt64(bytes));
        Assert.AreEqual(padded, Encoding.UTF8.GetString(bytes, 8, padded.Length));
        CollectionAssert.AreEqual(new byte[] { 0, 0, 0, 0xC0, 0, 0, 0x80, 0x3F, 0, 0, 0, 0x40, 0x80, 0x3F }, bytes[(8 + padded.Length)..]);
    }

    [TestMethod]
    public void Write_Unfinished_LeavesTheOldFileAndNothingElse()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("t.safetensors", "old");
        Assert.ThrowsExactly<NlftException>(() =>
            SafetensorsWriter.Write(path, [new SafetensorsSource("a", TensorType.F32, [1], _ => throw new IOException("disk full"))]));
        Assert.AreEqual("old", File.ReadAllText(path));
        CollectionAssert.AreEqual(new[] { "t.safetensors" }, folder.Files());
    }

    [TestMethod]
    public void Write_WrongNumberOfValuesOrTakenName_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        Assert.AreEqual("t.safetensors, tensor \"a\": found 8 bytes of values; expected 12 for shape [3] of F32. Give as many values as the shape "
            + "says.",
            folder.Refusal(() => SafetensorsWriter.Write(path, [SafetensorsSource.From(new NamedTensor("a", [3], [1, 2]), TensorType.F32)])));
        var one = SafetensorsSource.From(new NamedTensor("a", [1], [1]), TensorType.F32);
        Assert.AreEqual("t.safetensors, tensor \"a\": found a name that is taken; expected every name once, and none called __metadata__. Rename "
            + "the tensor.",
            folder.Refusal(() => SafetensorsWriter.Write(path, [one, one])));
        Assert.IsEmpty(folder.Files());
    }

    [TestMethod]
    public void Dispose_ReadAndUnreadTensors_OnlyWhatWasReadStays()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        SafetensorsWriter.Write(path,
            [SafetensorsSource.From(new NamedTensor("a", [2], [1, 2]), TensorType.F32),
            SafetensorsSource.From(new NamedTensor("b", [1], [3]), TensorType.F32)]);
        var file = SafetensorsFile.Open(path);
        var (read, unread) = (file.Tensor("a"), file.Tensor("b"));
        using var pin = read.Bytes.Pin();
        file.Dispose();
        file.Dispose();
        CollectionAssert.AreEqual(new[] { 1f, 2f }, read.ToArray());
        unsafe { Assert.AreEqual(2f, ((float*)pin.Pointer)[1]); }
        Assert.ThrowsExactly<ObjectDisposedException>(() => unread.ToArray());
        Assert.ThrowsExactly<ObjectDisposedException>(() => file.Tensor("a"));
    }

    [TestMethod]
    [DataRow("shorten", "a file that was shortened from 108 to 104 bytes after it was opened")]
    [DataRow("overwrite", "a file that was written to after it was opened")]
    public void Read_FileChangedSinceItWasOpened_IsRefusedAndWhatWasReadStays(string change, string found)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        SafetensorsWriter.Write(path, [SafetensorsSource.From(new NamedTensor("a", [3], [1, 2, 3]), TensorType.F32)]);
        using var file = SafetensorsFile.Open(path);
        var (read, unread) = (file.Tensor("a"), file.Tensor("a"));
        Assert.AreEqual(12, read.Bytes.Span.Length);
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            if (change == "shorten") stream.SetLength(file.Length - 4);
            else stream.Write(new byte[(int)file.Length]);
        }
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddSeconds(1)); // whatever the file system's clock ticks in
        CollectionAssert.AreEqual(new[] { 1f, 2f, 3f }, read.ToArray());
        var message = $"t.safetensors, tensor \"a\": found {found}; expected the file as it was when it was opened. Open it again once nothing else "
            + "writes to it.";
        Assert.AreEqual(message, folder.Refusal(() => unread.ToArray()));
        Assert.AreEqual(message, folder.Refusal(() => new TensorRows(file.Stored("a"), 3).Read(0, new float[3])));
    }

    [TestMethod]
    public void Open_FileBeyondTwoGigabytes_IsReadAndATensorBeyondTheLimitIsNamed()
    {
        using var folder = new TemporaryFolder();
        const long Large = 2_200_000_000;
        var header = Encoding.UTF8.GetBytes($$$"""
            {"large":{"dtype":"U8","shape":[{{{Large}}}],"data_offsets":[0,{{{Large}}}]},
             "last":{"dtype":"U8","shape":[1],"data_offsets":[{{{Large}}},{{{Large + 1}}}]}}
            """);
        var path = folder.Write("t.safetensors", TemporaryFolder.Safetensors(header, 0));
        using (var stream = File.OpenWrite(path)) // a sparse file: nothing but the last byte is written
        {
            stream.Position = 8 + header.Length + Large;
            stream.WriteByte(42);
        }
        using var file = SafetensorsFile.Open(path);
        Assert.AreEqual(42, file.Tensor("last").Bytes.Span[0]);
        Assert.AreEqual($"t.safetensors, tensor \"large\": found 2200000000 bytes; expected at most {Array.MaxLength}. Store the tensor in a 16-bit "
            + "type, or use a smaller model.", folder.Refusal(() => file.Tensor("large")));
        StringAssert.StartsWith(folder.Refusal(() => file.Tensor("none")),
            "t.safetensors, tensor \"none\": found no such tensor; expected one of the file's 2 tensors.");
    }

    /// <summary>Values that go through the buffer several times are those of the whole.</summary>
    [TestMethod]
    [DataRow(TensorType.BF16)]
    [DataRow(TensorType.F32)]
    [DataRow(TensorType.F64)]
    public void ToArray_ValuesReadInParts_AreThoseOfTheWhole(TensorType type)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        float[] values = [.. Enumerable.Range(0, 300_001).Select(i => (i % 251) - 100f)];
        SafetensorsWriter.Write(path, [SafetensorsSource.From(new NamedTensor("a", [values.Length], values), type)]);
        using var file = SafetensorsFile.Open(path);
        CollectionAssert.AreEqual(values, file.Tensor("a").ToArray());
        var held = file.Tensor("a");
        Assert.AreEqual(values.Length * type.ByteSize(), held.Bytes.Span.Length);
        CollectionAssert.AreEqual(values, held.ToArray());
    }

    [TestMethod]
    public void Write_OpenFile_IsReplaced()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("t.safetensors");
        SafetensorsWriter.Write(path, [SafetensorsSource.From(new NamedTensor("a", [1], [1]), TensorType.F32)]);
        using var old = SafetensorsFile.Open(path);
        SafetensorsWriter.Write(path, [SafetensorsSource.From(new NamedTensor("a", [1], [2]), TensorType.F32)]);
        using var replaced = SafetensorsFile.Open(path);
        Assert.AreEqual(1f, old.Tensor("a").ToArray()[0]);
        Assert.AreEqual(2f, replaced.Tensor("a").ToArray()[0]);
    }
}
