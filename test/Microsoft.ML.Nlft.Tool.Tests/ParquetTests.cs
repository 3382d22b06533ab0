using System.Buffers.Binary;
using Microsoft.ML.Nlft.Tool.Data;
using Parquet.Serialization;

namespace Microsoft.ML.Nlft.Tool.Tests;

/// <summary>Damaged and hostile Parquet files are refused before the library, which believes every length, reads them.</summary>
[TestClass]
public sealed class ParquetTests
{
    private readonly ToolRun _tool = new();

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    [DataRow("CC", 1_000_000, "headers nested more than 32 deep")]
    [DataRow("C9", 1_000_000, "headers nested more than 32 deep")]
    [DataRow("CB01EE", 1, "unknown type")]
    [DataRow("CB01CC", 1, "bytes are left")]
    [DataRow("29FCFFFFFFFF07", 1, "items or bytes where")]
    [DataRow("68FFFFFFFF07", 1, "items or bytes where")]
    [DataRow("1C00", 1, "field 1 of FileMetaData: another type")]
    [DataRow("1803313131", 1, "field 1 of FileMetaData: another type")]
    [DataRow("291502", 1, "a list: another type")]
    [DataRow("291C18027070", 1, "field 1 of SchemaElement: another type")]
    [DataRow("16FFFFFFFFFFFFFFFFFFFF7F", 1, "a number of more than 64 bits")]
    [DataRow("", 0, "bytes are left")]
    [DataRow("368080808080802000", 1, "values in")]
    [DataRow("CF", 1, "unknown type")]
    public void Read_HostileFooter_IsRefused(string hex, int times, string found)
    {
        var unit = Convert.FromHexString(hex);
        byte[] footer = [.. Enumerable.Repeat(unit, times).SelectMany(part => part)];
        Refuse(Framed(footer, footer.Length), found);
    }

    [TestMethod]
    [DataRow(int.MaxValue)]
    [DataRow(1_500_000_000)]
    [DataRow(-1)]
    [DataRow(int.MinValue)]
    [DataRow(6)]
    public void Read_FooterLongerThanTheFile_IsRefused(int length) => Refuse(Framed([0x15, 0x02, 0, 0, 0], length), $"a footer of {length} bytes");

    [TestMethod]
    public async Task Read_ChangedBytes_ReadsOrRefuses()
    {
        using var memory = new MemoryStream();
        await ParquetSerializer.SerializeAsync([new Line { Question = "2+3?", Answer = "5" }, new Line { Question = "1+1?", Answer = "2" }], memory);
        var whole = memory.ToArray();
        var (random, refused) = (new Random(1), 0);
        for (var i = 0; i < 2_000; i++)
        {
            var bytes = whole.ToArray();
            for (var change = 0; change < 2; change++) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(_tool.PathOf("rows.parquet"), bytes);
            try
            {
                ParquetRows.Read(_tool.PathOf("rows.parquet"));
            }
            catch (NlftException)
            {
                refused++;
            }
        }

        Assert.IsGreaterThan(100, refused);
    }

    private static byte[] Framed(byte[] footer, int length)
    {
        var size = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(size, length);
        return [.. "PAR1"u8, .. footer, .. size, .. "PAR1"u8];
    }

    private void Refuse(byte[] bytes, string found)
    {
        File.WriteAllBytes(_tool.PathOf("rows.parquet"), bytes);
        var refusal = Assert.ThrowsExactly<NlftException>(() => ParquetRows.Read(_tool.PathOf("rows.parquet")));
        Assert.StartsWith(_tool.PathOf("rows.parquet"), refusal.Message);
        Assert.Contains(found, refusal.Message);
    }

    private sealed class Line
    {
        public string? Question { get; set; }

        public string? Answer { get; set; }
    }
}
