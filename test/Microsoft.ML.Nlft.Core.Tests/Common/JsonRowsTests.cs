using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tests.Common;

/// <summary>Files of many rows: each row comes with its place, and no more of the file is in memory than the row needs.</summary>
[TestClass]
public sealed class JsonRowsTests
{
    [TestMethod]
    [DataRow("{\"a\":1}\n{\"a\":2}\n", "1 2")]
    [DataRow("\uFEFF{\"a\":1}\r\n\r\n \t\n{\"a\":2}", "1 4")]
    [DataRow("\n\n{\"a\":1}", "3")]
    [DataRow("{\"a\":\"\\n\"}", "1")]
    [DataRow("{\"a\":1}\n\n\n\n", "1")]
    public void ReadLines_Rows_HaveTheirLines(string text, string lines) =>
        Assert.AreEqual(lines, string.Join(' ', Lines(text).Select(row => row.Source.File["f, line ".Length..])));

    [TestMethod]
    [DataRow("[{\"a\":1}]", "line 1, column 2")]
    [DataRow("\uFEFF[\n  {\"a\":1},\n  {\"a\":\"ü😀\"}, {\"a\":2}\n]\n", "line 2, column 3;line 3, column 3;line 3, column 16")]
    [DataRow("[{\"a\":\n1},{\"a\":2}]  \n\n", "line 1, column 2;line 2, column 4")]
    [DataRow("\n\n[\n\n{}\n\n]", "line 5, column 1")]
    [DataRow("[{\"a\":[{},[{}]]},\r\n{\"b\":{}}]", "line 1, column 2;line 2, column 1")]
    public void ReadList_Rows_HaveTheirLinesAndColumns(string text, string places) =>
        Assert.AreEqual(places, string.Join(';', List(text).Select(row => row.Source.File["f, ".Length..])));

    [TestMethod]
    [DataRow("{\"a\":1}\n{\"a\":1,\"a\":2}", "f, line 2, \"a\": found the key twice, the second time in line 1, column 8;")]
    [DataRow("{\"a\":1}\n{\"a\":{\"b\":0,\"b\":0}}", "f, line 2, \"a.b\": found the key twice")]
    [DataRow("{\"a\":1}\n{\"a\":1,}", "f, line 2, column 8: found text that is not JSON (")]
    [DataRow("{\"a\":1}\n{\"ü\" 1}", "f, line 2, column 6: found text that is not JSON (")]
    [DataRow("{\"a\":1}\n{\"a\":", "f, line 2, column ")]
    [DataRow("{\"a\":1}\n// no", "f, line 2, column 1: found text that is not JSON (")]
    [DataRow("{\"a\":1}\n[{}]", "f, line 2: found the list [{}]; expected one JSON object.")]
    [DataRow("{\"a\":1} {}", "f, line 1, column 9: found text that is not JSON (")]
    [DataRow("{\"a\":\"\\ud800\"}", "f, line 1, \"a\": found half of a surrogate pair;")]
    [DataRow("", "f: found no row;")]
    [DataRow("\uFEFF\n \n", "f: found no row;")]
    public void ReadLines_Fault_NamesLineAndPlace(string text, string message) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => Lines(text).Count).Message, message);

    [TestMethod]
    [DataRow("[{\"a\":1},\n{\"a\":1,\n\"a\":2}]", "f, line 2, column 1, \"a\": found the key twice, the second time in line 3, column 1;")]
    [DataRow("[{\"a\":1},\n {\"a\":1,}]", "f, line 2, column 9: found text that is not JSON (")]
    [DataRow("[{\"a\":1},\n]", "f, line 2, column 1: found text that is not JSON (")]
    [DataRow("[{\"a\":1} {}]", "f, line 1, column 10: found text that is not JSON (")]
    [DataRow("[{\"ü😀\":1},\n/**/]", "f, line 2, column 1: found text that is not JSON (")]
    [DataRow("[{\"a\":1}", "f, line 1, column 9: found text that is not JSON (")]
    [DataRow("[{\"a\":1},\n{\"a\": \"tr", "f, line 2, column ")]
    [DataRow("[{}, 1]", "f, line 1, column 6: found the number 1; expected an object.")]
    [DataRow("[[]]", "f, line 1, column 2: found the list []; expected an object.")]
    [DataRow("{\"a\":1}", "f, line 1, column 1: found no list;")]
    [DataRow("  3", "f, line 1, column 3: found no list;")]
    [DataRow("[{}]\n\n []", "f, line 3, column 2: found more after the list;")]
    [DataRow("[ ]", "f: found an empty list;")]
    [DataRow("", "f, line 1, column 1: found text that is not JSON (")]
    [DataRow("[{\"a\":{\"\\udc00\":1}}]", "f, line 1, column 2, \"a\", a property name: found half of a surrogate pair;")]
    public void ReadList_Fault_NamesLineColumnAndPlace(string text, string message) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => List(text).Count).Message, message);

    [TestMethod]
    [DataRow(61, true)]
    [DataRow(62, true)]
    [DataRow(63, false)]
    [DataRow(64, false)]
    [DataRow(100_000, false)]
    public void ReadList_NestedRow_IsReadToTheLimit(int depth, bool isRead)
    {
        var text = "[{\"a\":" + new string('[', depth) + new string(']', depth) + "}]";
        if (isRead) Assert.HasCount(1, List(text));
        else StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => List(text).Count).Message, "maximum configured depth");
    }

    [TestMethod]
    public void BothReaders_BytesThatAreNotUtf8_NameThem()
    {
        byte[] row = [.. "{\"a\":\"caf"u8, 0xE9, .. "\"}"u8];
        Assert.AreEqual("f, line 2, byte 10: found 0xE9, which is not UTF-8; expected UTF-8 text. Save the file as UTF-8.",
            Assert.ThrowsExactly<NlftException>(() => JsonRows.ReadLines(new MemoryStream([.. "\n"u8, .. row]), "f").Count()).Message);
        Assert.AreEqual("f, line 2, column 10: found 0xE9, which is not UTF-8; expected UTF-8 text. Save the file as UTF-8.",
            Assert.ThrowsExactly<NlftException>(() => JsonRows.ReadList(new MemoryStream([.. "[\n"u8, .. row, .. "]"u8]), "f").Count()).Message);
    }

    /// <summary>Buffers of 64 KiB that end anywhere in a row; a row longer than several of them; characters cut in two.</summary>
    [TestMethod]
    [DataRow(1)]
    [DataRow(1_000)]
    [DataRow(65_530)]
    [DataRow(65_536)]
    [DataRow(1_000_000)]
    public void BothReaders_RowsOfAnyLength_AreWhole(int length)
    {
        var texts = Enumerable.Range(0, 9).Select(i => string.Concat(Enumerable.Repeat("ü😀x"[..(i % 2 == 0 ? 4 : 1)], length / 4 + i))).ToList();
        var rows = texts.Select(text => $"{{\"a\":\"{text}\",\"n\":[{text.Length}]}}").ToList();
        CollectionAssert.AreEqual(texts, Lines(string.Join('\n', rows)).Select(row => row["a"].String()).ToList());
        var list = List("[" + string.Join(",\n", rows) + "]");
        CollectionAssert.AreEqual(texts, list.Select(row => row["a"].String()).ToList());
        Assert.AreEqual("f, line 9, column 1, \"n\"", list[8]["n"].Subject);
    }

    /// <summary>A file of 100 MB is read from a stream that makes it up: a reader that kept it would need more than the limit.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void BothReaders_LongFile_KeepLittleInMemoryAndReadLinearly(bool isList)
    {
        var (few, many) = (Bytes(isList, 20_000, out var start), Bytes(isList, 80_000, out _));
        Assert.IsLessThanOrEqualTo(1 << 17, start, "bytes read before the first row was there");
        Assert.IsLessThan(5 * few, many, "bytes allocated for four times as many rows");

        static long Bytes(bool isList, int rows, out long atFirst)
        {
            using var stream = new Repeated(isList ? "[" : "", "{\"a\":\"some text of a row\"}", isList ? ",\n" : "\n", rows, isList ? "]" : "");
            var before = GC.GetAllocatedBytesForCurrentThread();
            var count = 0;
            atFirst = 0;
            foreach (var row in isList ? JsonRows.ReadList(stream, "f") : JsonRows.ReadLines(stream, "f"))
            {
                if (count++ == 0) atFirst = stream.Given;
                if (count == rows) StringAssert.StartsWith(row["a"].Subject, $"f, line {rows}");
            }
            Assert.AreEqual(rows, count);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [TestMethod]
    public void BothReaders_NoFileOrAFolder_IsNamed()
    {
        var folder = Path.GetTempPath();
        foreach (var read in (Func<string, IEnumerable<JsonPlace>>[])[JsonRows.ReadLines, JsonRows.ReadList])
        {
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => read("/nowhere/f")
                .Count()).Message, "/nowhere/f: found no file; expected a JSON ");
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => read(folder)
                .Count()).Message, $"{folder}: found a folder; expected a JSON ");
        }
    }

    private static List<JsonPlace> Lines(string text) => [.. JsonRows.ReadLines(new MemoryStream(Encoding.UTF8.GetBytes(text)), "f")];

    private static List<JsonPlace> List(string text) => [.. JsonRows.ReadList(new MemoryStream(Encoding.UTF8.GetBytes(text)), "f")];

    /// <summary>A stream of one row many times.</summary>
    private sealed class Repeated(string begin, string row, string between, int rows, string end) : Stream
    {
        private readonly IEnumerator<byte> _bytes = Enumerable.Range(0, rows)
            .SelectMany(i => Encoding.UTF8.GetBytes((i == 0 ? begin : between) + row + (i == rows - 1 ? end : ""))).GetEnumerator();

        public long Given { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => Given; set => throw new NotSupportedException(); }

        public override int Read(Span<byte> buffer)
        {
            var count = 0;
            while (count < Math.Min(buffer.Length, 10_000) && _bytes.MoveNext()) buffer[count++] = _bytes.Current;
            Given += count;
            return count;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
