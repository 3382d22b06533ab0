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
    [DataRow("CC", 1_000_000, "field 12 of FileMetaData: another type")]
    [DataRow("C9", 1_000_000, "field 12 of FileMetaData: another type")]
    [DataRow("CB01EE", 1, "field 12 of FileMetaData: another type")]
    [DataRow("C7", 1, "field 12 of FileMetaData: another type")]
    [DataRow("0C657E00", 1, "field -51")]
    [DataRow("0500", 1, "field 0")]
    [DataRow("0580800805", 1, "field 65536")]
    [DataRow("15FFFFFFFFFFFFFFFFFF01", 1, "a number of 32 bits, -9223372036854775808")]
    [DataRow("158080808010", 1, "a number of 32 bits, 2147483648")]
    [DataRow("29FCFFFFFFFF07", 1, "items or bytes where")]
    [DataRow("68FFFFFFFF07", 1, "items or bytes where")]
    [DataRow("1C00", 1, "field 1 of FileMetaData: another type")]
    [DataRow("1803313131", 1, "field 1 of FileMetaData: another type")]
    [DataRow("291502", 1, "a list: another type")]
    [DataRow("291C18027070", 1, "field 1 of SchemaElement: another type")]
    [DataRow("16FFFFFFFFFFFFFFFFFFFF7F", 1, "a number of more than 64 bits")]
    [DataRow("", 0, "bytes are left")]
    [DataRow("368080808080802000", 1, "values in")]
    [DataRow("CF", 1, "field 12 of FileMetaData: another type")]
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

    /// <summary>A later version of the format may add numbers and texts.</summary>
    [TestMethod]
    [DataRow("05E2010A")]
    [DataRow("08E20103313233")]
    [DataRow("01E201")]
    public async Task Read_FieldOfALaterVersion_IsSkipped(string field)
    {
        var whole = await WholeFile();
        var length = BinaryPrimitives.ReadInt32LittleEndian(whole.AsSpan()[^8..]);
        byte[] footer = [.. whole[^(length + 8)..^9], .. Convert.FromHexString(field), 0]; // before its end
        byte[] bytes = [.. whole[..^(length + 8)], .. Framed(footer, footer.Length)[4..]];
        await File.WriteAllBytesAsync(_tool.PathOf("rows.parquet"), bytes);
        Assert.HasCount(2, ParquetRows.Read(_tool.PathOf("rows.parquet")));
    }

    [TestMethod]
    public async Task Read_ChangedBytes_ReadsOrRefuses()
    {
        var whole = await WholeFile();
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

    private static async Task<byte[]> WholeFile()
    {
        using var memory = new MemoryStream();
        await ParquetSerializer.SerializeAsync([new Line { Question = "2+3?", Answer = "5" }, new Line { Question = "1+1?", Answer = "2" }], memory);
        return memory.ToArray();
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
