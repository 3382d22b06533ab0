using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Microsoft.ML.Nlft.Data;

/// <summary>The objects of a JSON file: one on each line, or one list of them. Every byte is read once, whatever the number of objects.</summary>
internal sealed class JsonRowFile
{
    private readonly string _path;
    private readonly ReadOnlyMemory<byte> _bytes;

    private JsonRowFile(string path, ReadOnlyMemory<byte> bytes) => (_path, _bytes) = (path, bytes);

    /// <summary>Opens a file; a byte order mark is skipped.</summary>
    /// <param name="path">The file.</param>
    /// <param name="expected">What it should be, for messages.</param>
    /// <exception cref="NlftException">The file is missing, cannot be read, or is UTF-16.</exception>
    public static JsonRowFile Open(string path, string expected)
    {
        if (!File.Exists(path)) throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", expected, "Check the path.");
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new NlftException(path, $"a file that cannot be read ({error.Message})", "a readable file below 2 GB",
                "Check its permissions and its size.", error);
        }
        if (bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..]) throw new NlftException(path, "UTF-16 text", "UTF-8 text", "Save the file as UTF-8.");
        return new JsonRowFile(path, bytes.AsMemory(bytes is [0xEF, 0xBB, 0xBF, ..] ? 3 : 0));
    }

    /// <summary>Whether the file holds a list: its first character that is not white space is a bracket.</summary>
    public bool IsList => _bytes.Span.TrimStart(" \t\r\n"u8) is [(byte)'[', ..];

    /// <summary>Reads one object from each line, each named by its line; blank lines are skipped.</summary>
    /// <exception cref="NlftException">The first fault: bytes that are not UTF-8, a line that is not one JSON object, or no row at all.</exception>
    public IEnumerable<JsonFields> Lines()
    {
        var rows = 0;
        var rest = _bytes;
        for (var line = 1; rest.Length > 0; line++)
        {
            var end = rest.Span.IndexOf((byte)'\n');
            var text = (end < 0 ? rest : rest[..end]).TrimEnd((byte)'\r');
            rest = end < 0 ? default : rest[(end + 1)..];
            if (text.Span.IndexOfAnyExcept((byte)' ', (byte)'\t') < 0) continue;
            rows++;
            yield return Line(text, $"{_path}, line {line}");
        }
        if (rows == 0) throw new NlftException(_path, "no row", "one JSON object per line", "Put at least one row into the file.");
    }

    /// <summary>Reads the objects of a list, each named by the line and column that it begins at.</summary>
    /// <exception cref="NlftException">The first fault: bytes that are not UTF-8, text that is no list of objects, or an empty list.</exception>
    public IReadOnlyList<JsonFields> List()
    {
        var places = new TextPlaces(_bytes);
        string Place(long at)
        {
            var (line, column) = places.At((int)at);
            return $"{_path}, line {line}, column {column}";
        }
        if (FirstInvalidByte(_bytes.Span) is var invalid and >= 0)
            throw new NlftException(Place(invalid), $"0x{_bytes.Span[invalid]:X2}, which is not UTF-8", "UTF-8 text", "Save the file as UTF-8.");
        var rows = new List<JsonFields>();
        var reader = new Utf8JsonReader(_bytes.Span);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
                throw new NlftException(Place(reader.TokenStartIndex), "no list", "a list of objects: [{...}, {...}]",
                    "Put the objects between brackets, or name the file .jsonl when there is one on each line.");
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                var place = Place(reader.TokenStartIndex);
                if (reader.TokenType != JsonTokenType.StartObject)
                    throw new NlftException(place, Value(ref reader, _bytes.Span), "an object", "Put only objects into the list.");
                rows.Add(new JsonFields(ref reader, _bytes, place));
            }
            reader.Read(); // fails when anything follows the list
        }
        catch (JsonException error)
        {
            var at = 0;
            for (var line = 0L; line < (error.LineNumber ?? 0); line++) at += _bytes.Span[at..].IndexOf((byte)'\n') + 1;
            throw new NlftException(Place(at + (error.BytePositionInLine ?? 0)), $"text that is not JSON ({Reason(error)})", "a list of objects",
                "Correct the file.", error);
        }
        return rows.Count > 0 ? rows : throw new NlftException(_path, "an empty list", "one object or more", "Put at least one row into the file.");
    }

    private static JsonFields Line(ReadOnlyMemory<byte> line, string place)
    {
        if (FirstInvalidByte(line.Span) is var invalid and >= 0)
            throw new NlftException($"{place}, byte {invalid + 1}", $"0x{line.Span[invalid]:X2}, which is not UTF-8", "UTF-8 text",
                "Save the file as UTF-8.");
        try
        {
            var reader = new Utf8JsonReader(line.Span);
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new NlftException(place, Value(ref reader, line.Span), "one JSON object",
                    "Put each row on a line of its own as {\"Question\": ..., ...}.");
            var fields = new JsonFields(ref reader, line, place);
            reader.Read(); // fails when anything follows the object
            return fields;
        }
        catch (JsonException error)
        {
            var bytes = (int)Math.Min(error.BytePositionInLine ?? 0, line.Length);
            var column = Encoding.UTF8.GetCharCount(line.Span[..bytes]) + 1;
            throw new NlftException($"{place}, column {column}", $"text that is not JSON ({Reason(error)})", "one JSON object",
                "Correct the line; line breaks inside a text are written \\n.", error);
        }
    }

    /// <summary>The value that the reader stands at, in a few words.</summary>
    private static string Value(ref Utf8JsonReader reader, ReadOnlySpan<byte> json)
    {
        var (type, start) = (reader.TokenType, (int)reader.TokenStartIndex);
        reader.Skip();
        return JsonFields.Describe(type, json[start..(int)reader.BytesConsumed]);
    }

    private static string Reason(JsonException error) => error.Message.Split(" LineNumber:")[0].Split(" Path:")[0].TrimEnd('.');

    /// <summary>Position of the first byte that is not part of well-formed UTF-8, or -1.</summary>
    private static int FirstInvalidByte(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes)) return -1;
        var position = 0;
        while (Rune.DecodeFromUtf8(bytes[position..], out _, out var consumed) == OperationStatus.Done) position += consumed;
        return position;
    }
}
