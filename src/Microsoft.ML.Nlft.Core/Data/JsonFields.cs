using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Data;

/// <summary>The keys and values of one JSON object of a data file, with its place for messages. Keys ignore case and occur once.</summary>
/// <remarks>Values stay bytes of the file until they are asked for.</remarks>
internal sealed class JsonFields
{
    private readonly ReadOnlyMemory<byte> _json;
    private readonly Dictionary<string, (JsonTokenType Type, Range Bytes)> _values = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads an object.</summary>
    /// <param name="reader">Stands at its opening brace; stands at its closing brace afterwards.</param>
    /// <param name="json">The bytes that the reader reads.</param>
    /// <param name="place">Where the object stands: <c>rows.jsonl, line 3</c>.</param>
    /// <exception cref="JsonException">The text is not JSON.</exception>
    /// <exception cref="NlftException">A key occurs twice, or is no text.</exception>
    public JsonFields(ref Utf8JsonReader reader, ReadOnlyMemory<byte> json, string place)
    {
        (_json, Place) = (json, place);
        NlftException? fault = null; // reported once the object is known to be JSON
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            var key = "";
            try
            {
                key = reader.GetString()!;
            }
            catch (InvalidOperationException error)
            {
                fault ??= HalfPair($"{place}, a property name", error);
            }
            reader.Read();
            var (type, start) = (reader.TokenType, (int)reader.TokenStartIndex);
            reader.Skip();
            if (!_values.TryAdd(key, (type, start..(int)reader.BytesConsumed)))
                fault ??= new NlftException($"{place}, \"{key}\"", "the property twice",
                    "each property once (names ignore case)", "Remove one of them.");
        }
        if (fault is not null) throw fault;
    }

    /// <summary>Where the object stands: <c>rows.jsonl, line 3</c>, or <c>rows.jsonl, line 3, "key"</c> for an inner object.</summary>
    public string Place { get; }

    /// <summary>Whether there is such a key.</summary>
    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>A text, or null when it is missing, null or blank and not required.</summary>
    /// <exception cref="NlftException">The value is no text, or there is none where one is required.</exception>
    public string? Text(string key, bool required)
    {
        if (!required) return OptionalText(key);
        if (OptionalText(key) is { } text) return text;
        var found = !_values.TryGetValue(key, out var value) ? NoSuchKey() : value.Type == JsonTokenType.Null ? "null" : "an empty text";
        throw new NlftException($"{Place}, \"{key}\"", found, "a text", "Fill it in, leave the row out, or name the property that holds it.");
    }

    /// <summary>A text that must be there and must not be blank.</summary>
    public string RequiredText(string key) => Text(key, required: true)!;

    /// <summary>A text, or null when it is missing, null or blank.</summary>
    public string? OptionalText(string key)
    {
        if (!_values.TryGetValue(key, out var value) || value.Type == JsonTokenType.Null) return null;
        if (value.Type != JsonTokenType.String) throw WrongType(key, "a text", "Write it between quotes.");
        var reader = new Utf8JsonReader(_json.Span[value.Bytes]);
        reader.Read();
        try
        {
            return reader.GetString() is { } text && !string.IsNullOrWhiteSpace(text) ? text : null;
        }
        catch (InvalidOperationException error)
        {
            throw HalfPair($"{Place}, \"{key}\"", error);
        }
    }

    /// <summary>A text, or a number as it is written; null when it is missing, null, blank or anything else.</summary>
    public string? TextOrNumber(string key) => !_values.TryGetValue(key, out var value) ? null : value.Type switch
    {
        JsonTokenType.Number => Raw(key),
        JsonTokenType.String => OptionalText(key),
        _ => null,
    };

    /// <summary>A number, or null when there is none.</summary>
    public double? OptionalNumber(string key)
    {
        if (!_values.TryGetValue(key, out var value) || value.Type != JsonTokenType.Number) return null;
        var reader = new Utf8JsonReader(_json.Span[value.Bytes]);
        reader.Read();
        return reader.TryGetDouble(out var number) ? number : null;
    }

    /// <summary>true or false.</summary>
    public bool Flag(string key) => !_values.TryGetValue(key, out var value) ? throw Missing(key, "true or false")
        : value.Type is JsonTokenType.True or JsonTokenType.False ? value.Type == JsonTokenType.True
        : throw WrongType(key, "true or false", "Write it without quotes.");

    /// <summary>An inner object.</summary>
    public JsonFields Object(string key)
    {
        if (!_values.TryGetValue(key, out var value)) throw Missing(key, "an object");
        if (value.Type != JsonTokenType.StartObject) throw WrongType(key, "an object", "Write it between braces.");
        var json = _json[value.Bytes];
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        return new JsonFields(ref reader, json, $"{Place}, \"{key}\"");
    }

    /// <summary>A JSON value in a few words, for messages.</summary>
    public static string Describe(JsonTokenType type, ReadOnlySpan<byte> json)
    {
        var raw = Encoding.UTF8.GetString(json);
        var kind = type switch
        {
            JsonTokenType.StartObject => "the object",
            JsonTokenType.StartArray => "the list",
            JsonTokenType.String => "the text",
            JsonTokenType.Number => "the number",
            _ => "the value",
        };
        return $"{kind} {(raw.Length <= 40 ? raw : raw[..40] + "...")}";
    }

    private string Raw(string key) => Encoding.UTF8.GetString(_json.Span[_values[key].Bytes]);

    private string NoSuchKey() =>
        $"no such property (only {(_values.Count == 0 ? "an empty object" : string.Join(", ", _values.Keys.Select(key => $"\"{key}\"")))})";

    private NlftException Missing(string key, string expected) =>
        new($"{Place}, \"{key}\"", NoSuchKey(), expected, "Add it, or name the property that holds it.");

    private NlftException WrongType(string key, string expected, string remedy) =>
        new($"{Place}, \"{key}\"", Describe(_values[key].Type, _json.Span[_values[key].Bytes]), expected, remedy);

    /// <summary>JSON can spell half of a surrogate pair (\ud83d alone), which is no character.</summary>
    private static NlftException HalfPair(string subject, Exception cause) =>
        new(subject, "half of a surrogate pair", "whole characters", "Write \\u escapes beyond U+FFFF as pairs.", cause);
}
