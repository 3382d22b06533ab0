using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Data;

/// <summary>One JSON object of a JSON Lines file, with its place for messages. Property names ignore case and occur once.</summary>
internal sealed class JsonRow
{
    private readonly Dictionary<string, JsonElement> _properties = new(StringComparer.OrdinalIgnoreCase);

    private JsonRow(JsonElement value, string place)
    {
        Place = place;
        foreach (var property in value.EnumerateObject())
        {
            var name = Decode(() => property.Name, "a property name");
            if (_properties.TryAdd(name, property.Value)) continue;
            throw new NlftException($"{place}, \"{name}\"", "the property twice", "each property once (names ignore case)", "Remove one of them.");
        }
    }

    /// <summary>Where the object stands: <c>rows.jsonl, line 3</c>, or <c>rows.jsonl, line 3, "property"</c> for an inner object.</summary>
    public string Place { get; }

    /// <summary>Reads every row of a file; blank lines and a byte order mark are skipped.</summary>
    /// <exception cref="NlftException">The file is missing, is not UTF-8, holds no row, or a line is not one JSON object.</exception>
    public static IEnumerable<JsonRow> ReadFile(string path)
    {
        var rows = 0;
        var rest = ReadBytes(path, "a JSON Lines file");
        for (var line = 1; rest.Length > 0; line++)
        {
            var end = rest.Span.IndexOf((byte)'\n');
            var text = (end < 0 ? rest : rest[..end]).TrimEnd((byte)'\r');
            rest = end < 0 ? default : rest[(end + 1)..];
            if (text.Span.IndexOfAnyExcept((byte)' ', (byte)'\t') < 0) continue;
            rows++;
            yield return Parse(text, $"{path}, line {line}");
        }
        if (rows == 0) throw new NlftException(path, "no row", "one JSON object per line", "Put at least one row into the file.");
    }

    /// <summary>Reads the objects of a file that is one JSON list; each is named by the line that it begins on.</summary>
    /// <exception cref="NlftException">The file is missing, is not UTF-8, is no list of objects, or an empty one.</exception>
    public static IReadOnlyList<JsonRow> ReadList(string path)
    {
        var bytes = ReadBytes(path, "a JSON file");
        string Place(long at)
        {
            var before = bytes.Span[..(int)Math.Min(at, bytes.Length)];
            return $"{path}, line {before.Count((byte)'\n') + 1}, column {Encoding.UTF8.GetCharCount(before[(before.LastIndexOf((byte)'\n') + 1)..]) + 1}";
        }
        if (FirstInvalidByte(bytes.Span) is var invalid and >= 0)
            throw new NlftException(Place(invalid), $"0x{bytes.Span[invalid]:X2}, which is not UTF-8", "UTF-8 text", "Save the file as UTF-8.");
        var rows = new List<JsonRow>();
        var reader = new Utf8JsonReader(bytes.Span);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
                throw new NlftException(Place(reader.TokenStartIndex), "no list", "a list of objects: [{...}, {...}]", "Put the objects between brackets, or name the file .jsonl when there is one on each line.");
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                var place = Place(reader.TokenStartIndex);
                var value = JsonElement.ParseValue(ref reader);
                if (value.ValueKind != JsonValueKind.Object) throw new NlftException(place, Describe(value), "an object", "Put only objects into the list.");
                rows.Add(new JsonRow(value, place));
            }
            if (reader.Read()) throw new NlftException(Place(reader.TokenStartIndex), "more after the list", "the end of the file", "Keep one list in the file.");
        }
        catch (JsonException error)
        {
            var lineStart = 0;
            for (var line = 0L; line < (error.LineNumber ?? 0); line++) lineStart += bytes.Span[lineStart..].IndexOf((byte)'\n') + 1;
            throw new NlftException(Place(lineStart + (error.BytePositionInLine ?? 0)), $"text that is not JSON ({Reason(error)})", "a list of objects", "Correct the file.", error);
        }
        return rows.Count > 0 ? rows : throw new NlftException(path, "an empty list", "one object or more", "Put at least one row into the file.");
    }

    private static ReadOnlyMemory<byte> ReadBytes(string path, string expected)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", expected, "Check the path.");
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
        if (bytes is [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..])
            throw new NlftException(path, "UTF-16 text", "UTF-8 text", "Save the file as UTF-8.");
        return bytes.AsMemory(bytes is [0xEF, 0xBB, 0xBF, ..] ? 3 : 0);
    }

    private static JsonRow Parse(ReadOnlyMemory<byte> line, string place)
    {
        if (FirstInvalidByte(line.Span) is var invalid and >= 0)
            throw new NlftException($"{place}, byte {invalid + 1}", $"0x{line.Span[invalid]:X2}, which is not UTF-8", "UTF-8 text",
                "Save the file as UTF-8.");
        try
        {
            var value = JsonElement.Parse(line.Span);
            if (value.ValueKind == JsonValueKind.Object) return new JsonRow(value, place);
            throw new NlftException(place, Describe(value), "one JSON object", "Put each row on a line of its own as {\"Question\": ..., ...}.");
        }
        catch (JsonException error)
        {
            var bytes = (int)Math.Min(error.BytePositionInLine ?? 0, line.Length);
            var column = Encoding.UTF8.GetCharCount(line.Span[..bytes]) + 1;
            throw new NlftException($"{place}, column {column}", $"text that is not JSON ({Reason(error)})", "one JSON object",
                "Correct the line; line breaks inside a text are written \\n.", error);
        }
    }

    private static string Reason(JsonException error) => error.Message.Split(" LineNumber:")[0].Split(" Path:")[0].TrimEnd('.');

    /// <summary>Position of the first byte that is not part of well-formed UTF-8, or -1.</summary>
    private static int FirstInvalidByte(ReadOnlySpan<byte> bytes)
    {
        for (var position = 0; position < bytes.Length;)
        {
            if (Rune.DecodeFromUtf8(bytes[position..], out _, out var consumed) != System.Buffers.OperationStatus.Done) return position;
            position += consumed;
        }
        return -1;
    }

    /// <summary>A text that must be there and must not be blank.</summary>
    public string RequiredText(string name)
    {
        if (OptionalText(name) is { } text) return text;
        var found = !_properties.TryGetValue(name, out var value) ? $"no such property (only {Names()})"
            : value.ValueKind == JsonValueKind.Null ? "null" : "an empty text";
        throw new NlftException($"{Place}, \"{name}\"", found, "a text", "Fill it in, leave the row out, or name the property that holds it.");
    }

    /// <summary>A text, or null when it is missing, null or blank.</summary>
    public string? OptionalText(string name)
    {
        if (!_properties.TryGetValue(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
        if (value.ValueKind != JsonValueKind.String) throw WrongType(name, value, "a text", "Write it between quotes.");
        var text = Decode(() => value.GetString()!, $"\"{name}\"");
        return string.IsNullOrWhiteSpace(text) ? null : text;
    }

    /// <summary>A text, or a number as it is written; null when it is missing, null, blank or anything else.</summary>
    public string? TextOrNumber(string name) =>
        !_properties.TryGetValue(name, out var value) ? null : value.ValueKind == JsonValueKind.Number ? value.GetRawText()
        : value.ValueKind == JsonValueKind.String ? OptionalText(name) : null;

    /// <summary>A number, or null when there is none.</summary>
    public double? OptionalNumber(string name) =>
        _properties.TryGetValue(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) ? number : null;

    /// <summary>Whether there is such a property.</summary>
    public bool Has(string name) => _properties.ContainsKey(name);

    /// <summary>true or false.</summary>
    public bool Flag(string name) => !_properties.TryGetValue(name, out var value) ? throw Missing(name, "true or false")
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw WrongType(name, value, "true or false", "Write it without quotes.");

    /// <summary>An inner object.</summary>
    public JsonRow Object(string name) => !_properties.TryGetValue(name, out var value) ? throw Missing(name, "an object")
        : value.ValueKind == JsonValueKind.Object ? new JsonRow(value, $"{Place}, \"{name}\"")
        : throw WrongType(name, value, "an object", "Write it between braces.");

    private NlftException Missing(string name, string expected) =>
        new($"{Place}, \"{name}\"", $"no such property (only {Names()})", expected, "Add it, or name the property that holds it.");

    private NlftException WrongType(string name, JsonElement value, string expected, string remedy) =>
        new($"{Place}, \"{name}\"", Describe(value), expected, remedy);

    private string Names() => _properties.Count == 0 ? "an empty object" : string.Join(", ", _properties.Keys.Select(name => $"\"{name}\""));

    private static string Describe(JsonElement value)
    {
        var raw = value.GetRawText();
        var kind = value.ValueKind switch
        {
            JsonValueKind.Object => "the object",
            JsonValueKind.Array => "the list",
            JsonValueKind.String => "the text",
            JsonValueKind.Number => "the number",
            _ => "the value",
        };
        return $"{kind} {(raw.Length <= 40 ? raw : raw[..40] + "...")}";
    }

    /// <summary>JSON can spell half a surrogate pair (\ud83d alone), which is no character.</summary>
    private string Decode(Func<string> read, string what)
    {
        try
        {
            return read();
        }
        catch (InvalidOperationException error)
        {
            throw new NlftException($"{Place}, {what}", "half of a surrogate pair", "whole characters",
                "Write \\u escapes beyond U+FFFF as pairs.", error);
        }
    }
}
