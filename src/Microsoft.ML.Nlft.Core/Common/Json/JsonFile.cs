using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Reads all JSON files by the same rules: UTF-8 with or without a byte order mark, no duplicate keys, no unpaired surrogates, no comments and no
/// trailing commas (except in a handwritten file), at most <see cref="MaximumDepth"/> levels. The message for a file that breaks a rule names the
/// place.
/// </summary>
internal static class JsonFile
{
    /// <summary>The deepest nesting that is accepted.</summary>
    public const int MaximumDepth = 64;

    /// <summary>The longest file that is read as a whole; the largest tokenizer.json of a published model has 35 MB.</summary>
    private const int MaximumBytes = 1 << 28;

    /// <summary>The remedy for bytes that are not UTF-8.</summary>
    public const string SaveAsUtf8 = "Save the file as UTF-8.";

    private static readonly JsonDocumentOptions s_strict = new() { MaxDepth = MaximumDepth, AllowDuplicateProperties = false };
    private static readonly JsonDocumentOptions s_handwritten =
        s_strict with { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    /// <summary>Reads a file that holds one JSON object.</summary>
    /// <exception cref="NlftException">The file is missing or cannot be read, or breaks a rule.</exception>
    public static JsonPlace Load(JsonSource source)
    {
        return Parse(Read(source.File, source.WhatItIs), source);
    }

    /// <summary>Reads the bytes of a file that holds JSON.</summary>
    /// <exception cref="NlftException">The file is missing, cannot be read, or is longer than 256 MB.</exception>
    public static byte[] Read(string file, string whatItIs) =>
        InputFile.ReadBytes(file, whatItIs, MaximumBytes, "Check the path, or download the file again.");

    /// <summary>Reads the bytes of a file that holds one JSON object.</summary>
    /// <exception cref="NlftException">The bytes break a rule.</exception>
    public static JsonPlace Parse(ReadOnlySpan<byte> bytes, JsonSource source)
    {
        var root = ParseAny(bytes, source);
        return root.Value.ValueKind == JsonValueKind.Object ? root
            : throw new NlftException(source.File, root.Found, source.Expected, source.FileRemedy);
    }

    /// <summary>Checks a value that the caller's program parsed, perhaps by other rules; comments and trailing commas are accepted.</summary>
    /// <exception cref="NlftException">The value breaks a rule.</exception>
    public static JsonPlace Check(JsonElement value, JsonSource source) =>
        ParseAny(JsonMarshal.GetRawUtf8Value(value), source with { IsHandwritten = true });

    private static JsonPlace ParseAny(ReadOnlySpan<byte> bytes, JsonSource source)
    {
        var json = bytes[MarkLength(bytes, source.File, source.TextRemedy)..];
        JsonPosition start = new();
        try
        {
            if (FirstInvalid(json) is var invalid and >= 0)
                throw NotUtf8($"{source.File}, {start.After(json[..invalid])}", json[invalid], source.TextRemedy);
            return new JsonPlace(ParseValue(json, new JsonPath(source), start), source);
        }
        catch (JsonException e)
        {
            throw new NlftException(source.File, $"invalid JSON ({start.Of(json, e, start)}: {Reason(e)})", source.Expected, source.FileRemedy, e);
        }
    }

    /// <summary>Parses one value; refuses duplicate keys and unpaired surrogates, with their places.</summary>
    /// <param name="json">The value in UTF-8.</param>
    /// <param name="root">The place of the value.</param>
    /// <param name="start">Where the value begins in its file.</param>
    /// <exception cref="JsonException">The text is not a JSON value.</exception>
    public static JsonElement ParseValue(ReadOnlySpan<byte> json, JsonPath root, JsonPosition start)
    {
        try
        {
            var value = JsonElement.Parse(json, root.Source.IsHandwritten ? s_handwritten : s_strict);
            if (json.IndexOf("\\ud"u8) >= 0 || json.IndexOf("\\uD"u8) >= 0) Inspect(json, root, start);
            return value;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The parser says that something is wrong; this says where.
            Inspect(json, root, start);
            throw e as JsonException ?? new JsonException(e.Message, e);
        }
    }

    /// <summary>Returns the length of the byte order mark at the start of a file.</summary>
    /// <exception cref="NlftException">The file is UTF-16 or UTF-32.</exception>
    public static int MarkLength(ReadOnlySpan<byte> bytes, string file, string remedy = SaveAsUtf8) => bytes switch
    {
        [0xEF, 0xBB, 0xBF, ..] => 3,
        [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..] or [0, > 0, ..] or [> 0, 0, ..] =>
            throw new NlftException(file, "UTF-16 text", "UTF-8 text", remedy),
        _ => 0,
    };

    /// <summary>Returns the position of the first byte that is not well-formed UTF-8, or -1.</summary>
    public static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes)) return -1;
        var position = 0;
        while (Rune.DecodeFromUtf8(bytes[position..], out _, out var length) == OperationStatus.Done) position += length;
        return position;
    }

    /// <summary>Creates the exception for a byte that is not UTF-8.</summary>
    public static NlftException NotUtf8(string subject, byte value, string remedy = SaveAsUtf8) =>
        new(subject, $"0x{value:X2}, which is not UTF-8", "UTF-8 text", remedy);

    /// <summary>Returns the parser's message without the place, which our messages name themselves.</summary>
    public static string Reason(JsonException error) => error.Message.Split(" LineNumber:")[0].Split(" Path:")[0].TrimEnd('.');

    private static void Inspect(ReadOnlySpan<byte> json, JsonPath root, JsonPosition start)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions
        {
            MaxDepth = MaximumDepth,
            AllowTrailingCommas = root.Source.IsHandwritten,
            CommentHandling = root.Source.IsHandwritten ? JsonCommentHandling.Skip : JsonCommentHandling.Disallow,
        });
        var levels = new Stack<(JsonPath Path, HashSet<string>? Names)>();
        string? name = null;
        var indices = new int[MaximumDepth + 1];
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray)
            {
                levels.Pop();
                continue;
            }
            if (reader.TokenType == JsonTokenType.PropertyName)
            {
                var (path, names) = levels.Peek();
                name = Text(ref reader) ?? throw HalfPair($"{path.Source.Subject(path.ToString())}, a property name");
                if (names!.Add(name)) continue;
                var second = start.After(json[..(int)reader.TokenStartIndex]);
                throw new NlftException(path.Source.KeySubject(path.Of(name)), $"the key twice, the second time in {second}", "each key once",
                    "Remove one of them.");
            }
            var inArray = levels.Count > 0 && levels.Peek().Names is null;
            var index = inArray ? indices[levels.Count]++ : 0;
            var key = inArray ? null : name;
            if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
            {
                var path = levels.Count == 0 ? root : new JsonPath(root.Source, levels.Peek().Path, key, index);
                levels.Push((path, reader.TokenType == JsonTokenType.StartObject ? new(StringComparer.Ordinal) : null));
                indices[levels.Count] = 0;
            }
            else if (reader.TokenType == JsonTokenType.String && Text(ref reader) is null)
            {
                throw HalfPair(root.Source.Subject(levels.Count == 0 ? root.ToString() : levels.Peek().Path.Of(key, index)));
            }
        }
    }

    private static NlftException HalfPair(string subject) =>
        new(subject, "half of a surrogate pair", "whole characters", "Write \\u escapes beyond U+FFFF as pairs.");

    /// <summary>Returns the text of a key or a string; null when it contains an unpaired surrogate.</summary>
    private static string? Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.TokenType == JsonTokenType.PropertyName || reader.ValueIsEscaped ? reader.GetString() : "";
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
