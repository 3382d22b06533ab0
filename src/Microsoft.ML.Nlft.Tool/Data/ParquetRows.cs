using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Common;
using Parquet.Serialization;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>Reads the rows of Parquet files as JSON objects: lists and structures become JSON lists and objects, missing values null.</summary>
internal static class ParquetRows
{
    private static readonly JsonSerializerOptions s_json = new() { Converters = { new Texts() } };

    private const int MostBytes = 1 << 30; // the file is held in memory, as its rows are

    private const string Expected = "a Parquet file", Remedy = "Check the file, or convert it to JSON Lines.";

    /// <summary>Reads all rows.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The rows in order, each with its place: <c>rows.parquet, row 3</c>.</returns>
    /// <exception cref="NlftException">The file is missing, is damaged, or has values that JSON does not have.</exception>
    public static IReadOnlyList<(JsonElement Row, string Place)> Read(string path)
    {
        if (!File.Exists(path)) throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", Expected, "Check the path.");
        try
        {
            return [.. Task.Run(() => ReadAsync(path)).GetAwaiter().GetResult().Select((row, at) =>
                (JsonSerializer.SerializeToElement(row, s_json), $"{path}, row {at + 1}"))];
        }
        catch (Exception error) when (error is not NlftException)
        {
            if (IsPointer(path)) throw new NlftException(path, "a Git LFS pointer", Expected, "Fetch the file itself: git lfs pull.", error);
            throw new NlftException(path, $"a file that cannot be read ({error.Message})", Expected, Remedy, error);
        }
    }

    private static bool IsPointer(string path) =>
        new FileInfo(path).Length < 1024 && InputFile.ReadBytes(path, Expected, 1024).AsSpan().StartsWith("version https://git-lfs"u8);

    private static async Task<IList<Dictionary<string, object>>> ReadAsync(string path)
    {
        var bytes = InputFile.ReadBytes(path, Expected, MostBytes);
        ParquetFrame.Check(bytes);
        using var stream = new MemoryStream(bytes, writable: false);
        return (await ParquetSerializer.DeserializeUntypedAsync(stream).ConfigureAwait(false)).Data;
    }

    /// <summary>Writes the texts that the library returns as memory.</summary>
    private sealed class Texts : JsonConverter<ReadOnlyMemory<char>>
    {
        public override ReadOnlyMemory<char> Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, ReadOnlyMemory<char> value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.Span);
    }
}
