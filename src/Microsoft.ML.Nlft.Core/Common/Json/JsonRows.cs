using System.Text.Json;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Streams files of many JSON objects, in time linear in the size of the file and with no more than the longest row in memory: JSON Lines, and
/// files that hold one list. The source of each row is <c>file, line 3</c>, so that messages about its values name the line.
/// </summary>
internal static class JsonRows
{
    private const string NameThePath = "Check the path.";

    /// <summary>Reads a JSON Lines file; blank lines and a byte order mark are skipped.</summary>
    /// <exception cref="NlftException">The file is missing, is not UTF-8, holds no row, or a line is not one JSON object.</exception>
    public static IEnumerable<JsonPlace> ReadLines(string path)
    {
        using var file = Open(path, "a JSON Lines file");
        foreach (var row in ReadLines(file, path)) yield return row;
    }

    /// <summary>Reads JSON Lines from a stream.</summary>
    /// <param name="stream">The stream, read from its current position.</param>
    /// <param name="file">The name of the file in messages.</param>
    /// <exception cref="NlftException">As for a file.</exception>
    public static IEnumerable<JsonPlace> ReadLines(Stream stream, string file)
    {
        var buffer = new JsonBuffer(stream, file);
        var (line, rows) = (0, 0);
        while (NextLine(buffer, out var length))
        {
            line++;
            var row = ParseLine(buffer.Bytes[..length], $"{file}, line {line}");
            buffer.Take(Math.Min(length + 1, buffer.Bytes.Length));
            if (row is null) continue;
            rows++;
            yield return row.Value;
        }
        if (rows == 0) throw new NlftException(file, "no row", "one JSON object per line", "Put at least one row into the file.");
    }

    /// <summary>Reads a file that is one JSON list of objects; the place of each includes the line and column where it begins.</summary>
    /// <exception cref="NlftException">The file is missing, is not UTF-8, is not a list of objects, or the list is empty.</exception>
    public static IEnumerable<JsonPlace> ReadList(string path)
    {
        using var file = Open(path, "a JSON file");
        foreach (var row in ReadList(file, path)) yield return row;
    }

    /// <summary>Reads a JSON list of objects from a stream.</summary>
    /// <param name="stream">The stream, read from its current position.</param>
    /// <param name="file">The name of the file in messages.</param>
    /// <exception cref="NlftException">As for a file.</exception>
    public static IEnumerable<JsonPlace> ReadList(Stream stream, string file)
    {
        var list = new ListReader(new JsonBuffer(stream, file), file);
        var rows = 0;
        while (list.Next() is { } row)
        {
            rows++;
            yield return row;
        }
        if (rows == 0) throw new NlftException(file, "an empty list", "one object or more", "Put at least one row into the file.");
    }

    private static FileStream Open(string path, string expected)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path)) throw new NlftException(path, Directory.Exists(path) ? "a folder" : "no file", expected, NameThePath);
        return InputFile.Open(path, expected);
    }

    /// <summary>Reads the next line into the buffer; returns false at the end of the file.</summary>
    private static bool NextLine(JsonBuffer buffer, out int length)
    {
        var searched = 0;
        while (true)
        {
            var end = buffer.Bytes[searched..].IndexOf((byte)'\n');
            length = end < 0 ? buffer.Bytes.Length : searched + end;
            if (end >= 0) return true;
            searched = length;
            if (!buffer.Extend()) return length > 0;
        }
    }

    private static JsonPlace? ParseLine(ReadOnlySpan<byte> line, string place)
    {
        line = line.TrimEnd((byte)'\r');
        if (line.IndexOfAnyExcept((byte)' ', (byte)'\t') < 0) return null;
        if (JsonFile.FirstInvalid(line) is var invalid and >= 0) throw JsonFile.NotUtf8($"{place}, byte {invalid + 1}", line[invalid]);
        JsonPosition start = new();
        try
        {
            var source = new JsonSource(place);
            var row = new JsonPlace(JsonFile.ParseValue(line, new JsonPath(source), start), source);
            return row.Value.ValueKind == JsonValueKind.Object ? row
                : throw new NlftException(place, row.Description, "one JSON object",
                    "Put each row on a line of its own as {\"Question\": ..., ...}.");
        }
        catch (JsonException e)
        {
            throw new NlftException($"{place}, column {start.Of(line, e, start).Column}", $"text that is not JSON ({JsonFile.Reason(e)})",
                "one JSON object", "Correct the line; line breaks inside a text are written \\n.", e);
        }
    }

    /// <summary>Reads the items of one list through the buffer.</summary>
    private sealed class ListReader(JsonBuffer buffer, string file)
    {
        private JsonReaderState _state = new(new JsonReaderOptions { MaxDepth = JsonFile.MaximumDepth });
        private JsonPosition _position = new();
        private bool _begun;

        /// <summary>Returns the next item, or null after the last one.</summary>
        public JsonPlace? Next()
        {
            try
            {
                if (!_begun)
                {
                    Begin();
                    _begun = true;
                }
                var (token, start, end) = Read();
                if (token == JsonTokenType.EndArray)
                {
                    Skip(end);
                    RequireEnd();
                    return null;
                }
                Skip(start);
                var item = Parse(buffer.Bytes[..(end - start)]);
                Skip(end - start);
                return item;
            }
            catch (JsonException e)
            {
                var fault = _position.Of(buffer.Bytes, e, new JsonPosition());
                throw new NlftException($"{file}, {fault}", $"text that is not JSON ({JsonFile.Reason(e)})",
                    "a list of objects", "Correct the file.", e);
            }
        }

        private void Begin()
        {
            var (token, start, end) = Read();
            if (token != JsonTokenType.StartArray)
            {
                throw new NlftException($"{file}, {_position.After(buffer.Bytes[..start])}", "no list", "a list of objects: [{...}, {...}]",
                    "Put the objects between brackets, or name the file .jsonl when there is one on each line.");
            }
            Skip(end);
        }

        private JsonPlace Parse(ReadOnlySpan<byte> json)
        {
            var place = $"{file}, {_position}";
            if (JsonFile.FirstInvalid(json) is var invalid and >= 0)
                throw JsonFile.NotUtf8($"{file}, {_position.After(json[..invalid])}", json[invalid]);
            var source = new JsonSource(place);
            var row = new JsonPlace(JsonFile.ParseValue(json, new JsonPath(source), _position), source);
            return row.Value.ValueKind == JsonValueKind.Object ? row
                : throw new NlftException(place, row.Description, "an object", "Put only objects into the list.");
        }

        /// <summary>
        /// Reads the next token, or the whole item that it starts, and returns its range in the buffer. When the buffer ends within an item, the
        /// buffer doubles and the item is read again from its start, which keeps the total time linear.
        /// </summary>
        private (JsonTokenType Token, int Start, int End) Read()
        {
            while (true)
            {
                var reader = new Utf8JsonReader(buffer.Bytes, buffer.IsWhole, _state);
                if (reader.Read())
                {
                    var (token, start) = (reader.TokenType, (int)reader.TokenStartIndex);
                    if (!_begun || reader.TrySkip())
                    {
                        _state = reader.CurrentState;
                        return (token, start, (int)reader.BytesConsumed);
                    }
                }
                if (buffer.IsWhole) throw new JsonException("The file ends within the list");
                buffer.Extend();
            }
        }

        private void RequireEnd()
        {
            while (true)
            {
                var rest = buffer.Bytes.IndexOfAnyExcept(" \t\r\n"u8);
                if (rest >= 0)
                {
                    throw new NlftException($"{file}, {_position.After(buffer.Bytes[..rest])}", "more after the list", "the end of the file",
                        "Keep one list in the file.");
                }
                Skip(buffer.Bytes.Length);
                if (!buffer.Extend()) return;
            }
        }

        private void Skip(int count)
        {
            _position.Advance(buffer.Bytes[..count]);
            buffer.Take(count);
        }
    }
}
