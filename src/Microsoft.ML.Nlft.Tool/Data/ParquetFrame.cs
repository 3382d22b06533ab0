using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>
/// Checks the headers of a Parquet file (https://parquet.apache.org/docs/file-format/metadata/) before the library reads it: it believes every
/// length, and follows nesting without a limit.
/// </summary>
internal static class ParquetFrame
{
    private const long MostFixed = 16L << 20, MostRatio = 32; // a page may take 16 MB, and 32 times the file
    private const int ValuesPerByte = 8; // roles and missing values take a bit each

    /// <exception cref="InvalidDataException">The headers do not fit the file.</exception>
    public static void Check(ReadOnlySpan<byte> file)
    {
        if (file.Length < 12 || !file.StartsWith("PAR1"u8) || !file.EndsWith("PAR1"u8)) throw new InvalidDataException("no PAR1 at both ends");
        var length = BinaryPrimitives.ReadInt32LittleEndian(file[^8..]);
        Require(length >= 0 && length <= file.Length - 12, $"a footer of {length} bytes");
        var pages = file[..^(length + 8)];
        var footer = new ThriftReader(file[^(length + 8)..^8]).Struct(ParquetTypes.Footer);
        RequireRows(footer, 3, file.Length);
        foreach (var group in Structs(footer, 4))
        {
            RequireRows(group, 3, file.Length);
            foreach (var chunk in Structs(group, 1))
            {
                if (chunk.GetValueOrDefault(3) is not Dictionary<int, object?> column) continue;
                RequireRows(column, 5, file.Length);
                long data = Number(column, 9), dictionary = Number(column, 11), size = Number(column, 7);
                if (size == 0) continue;
                var start = dictionary > 0 ? Math.Min(dictionary, data) : data;
                Require(start >= 4 && size > 0 && size <= pages.Length - start, $"a column of {size} bytes at {start}");
                CheckPages(pages.Slice((int)start, (int)size), file.Length);
            }
        }
    }

    private static void CheckPages(ReadOnlySpan<byte> column, int fileLength)
    {
        while (column.Length > 0)
        {
            var reader = new ThriftReader(column);
            var page = reader.Struct(ParquetTypes.Page);
            long whole = Number(page, 2), packed = Number(page, 3);
            Require(packed >= 0 && packed <= column.Length - reader.Position, $"a page of {packed} bytes");
            Require(whole >= 0 && whole <= MostFixed + (MostRatio * fileLength), $"a page that unpacks to {whole} bytes");
            foreach (var kind in (int[])[5, 7, 8])
                if (page.GetValueOrDefault(kind) is Dictionary<int, object?> header) RequireRows(header, 1, fileLength);
            column = column[(reader.Position + (int)packed)..];
        }
    }

    private static void RequireRows(Dictionary<int, object?> header, int field, int fileLength) =>
        Require(Number(header, field) is >= 0 and var values && values <= (long)ValuesPerByte * fileLength,
            $"{Number(header, field)} values in {fileLength} bytes");

    private static long Number(Dictionary<int, object?> fields, int field) => fields.GetValueOrDefault(field) is long number ? number : 0;

    private static IEnumerable<Dictionary<int, object?>> Structs(Dictionary<int, object?> fields, int field) =>
        fields.GetValueOrDefault(field) is object?[] list ? list.OfType<Dictionary<int, object?>>() : [];

    private static void Require(bool holds, string found)
    {
        if (!holds) throw new InvalidDataException(found);
    }
}
