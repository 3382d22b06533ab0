using System.Collections.Frozen;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>
/// The types of the fields in the headers of Parquet files: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
/// The library reads a field as what it should be, whatever the file says it is, and would go on in the middle of another one.
/// </summary>
internal static class ParquetTypes
{
    public const string Footer = "FileMetaData", Page = "PageHeader";

    /// <summary>Number and type of each field of a structure: N number, B truth, Y byte, D double, S text or bytes, [ list, or a structure.</summary>
    private static readonly FrozenDictionary<(string Struct, int Field), string> s_fields = Parse(
        "FileMetaData: 1N 2[SchemaElement 3N 4[RowGroup 5[KeyValue 6S 7[ColumnOrder 8EncryptionAlgorithm 9S",
        "SchemaElement: 1N 2N 3N 4S 5N 6N 7N 8N 9N 10LogicalType",
        "LogicalType: 1Empty 2Empty 3Empty 4Empty 5DecimalType 6Empty 7TimeType 8TimeType 10IntType 11Empty 12Empty 13Empty 14Empty 15Empty "
            + "16VariantType 17GeometryType 18GeographyType",
        "DecimalType: 1N 2N",
        "TimeType: 1B 2TimeUnit",
        "TimeUnit: 1Empty 2Empty 3Empty",
        "IntType: 1Y 2B",
        "VariantType: 1Y",
        "GeometryType: 1S",
        "GeographyType: 1S 2N",
        "KeyValue: 1S 2S",
        "ColumnOrder: 1Empty",
        "EncryptionAlgorithm: 1AesGcm 2AesGcm",
        "AesGcm: 1S 2S 3B",
        "RowGroup: 1[ColumnChunk 2N 3N 4[SortingColumn 5N 6N 7N",
        "SortingColumn: 1N 2B 3B",
        "ColumnChunk: 1S 2N 3ColumnMetaData 4N 5N 6N 7N 8ColumnCrypto 9S",
        "ColumnCrypto: 1Empty 2ColumnKey",
        "ColumnKey: 1[S 2S",
        "ColumnMetaData: 1N 2[N 3[S 4N 5N 6N 7N 8[KeyValue 9N 10N 11N 12Statistics 13[PageEncoding 14N 15N 16SizeStatistics 17Geospatial",
        "Statistics: 1S 2S 3N 4N 5S 6S 7B 8B",
        "PageEncoding: 1N 2N 3N",
        "SizeStatistics: 1N 2[N 3[N",
        "Geospatial: 1BoundingBox 2[N",
        "BoundingBox: 1D 2D 3D 4D 5D 6D 7D 8D",
        "PageHeader: 1N 2N 3N 4N 5DataPage 6Empty 7DictionaryPage 8DataPage2",
        "DataPage: 1N 2N 3N 4N 5Statistics",
        "DictionaryPage: 1N 2N 3B",
        "DataPage2: 1N 2N 3N 4N 5N 6N 7B 8Statistics");

    /// <summary>The type of a field; null if the format does not have it.</summary>
    public static string? Of(string parent, int field) => s_fields.GetValueOrDefault((parent, field));

    /// <summary>Whether values of a type are written as a type of Thrift's compact protocol. Numbers of all sizes are written alike.</summary>
    public static bool Fits(string type, int written) => written switch
    {
        1 or 2 => type == "B",
        3 => type == "Y",
        4 or 5 or 6 => type == "N",
        7 => type == "D",
        8 => type == "S",
        9 or 10 => type[0] == '[',
        12 => type.Length > 1 && type[0] != '[',
        _ => false,
    };

    private static FrozenDictionary<(string, int), string> Parse(params string[] structs) => structs
        .Select(line => line.Split(": "))
        .SelectMany(line => line[1].Split(' '), (line, field) => (line[0], field, Digits: field.TakeWhile(char.IsAsciiDigit).Count()))
        .ToFrozenDictionary(at => (at.Item1, int.Parse(at.field[..at.Digits])), at => at.field[at.Digits..]);
}
