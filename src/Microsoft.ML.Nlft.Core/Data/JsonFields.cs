using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>The keys and values of one JSON object of a data file. Keys ignore case and occur once.</summary>
/// <param name="row">The object with its place.</param>
/// <param name="place">Where it stands: <c>rows.jsonl, line 3</c>, or <c>rows.jsonl, line 3, "key"</c> for an inner object.</param>
internal sealed class JsonFields(JsonPlace row, string place)
{
    private readonly Dictionary<string, JsonPlace> _values = row.Members(StringComparer.OrdinalIgnoreCase);

    /// <summary>Reads the keys of a row.</summary>
    public JsonFields(JsonPlace row) : this(row, row.Source.File)
    {
    }

    /// <summary>Where the object stands.</summary>
    public string Place => place;

    /// <summary>The keys, as the row spells them.</summary>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <summary>Whether there is such a key.</summary>
    public bool Has(string key) => _values.ContainsKey(key);

    /// <summary>A value of any kind; null when there is no such key.</summary>
    public JsonPlace? Value(string key) => _values.TryGetValue(key, out var value) ? value : null;

    /// <summary>A text; null when it is missing, null or blank and not required.</summary>
    /// <exception cref="NlftException">The value is not a text, or a required text is missing.</exception>
    public string? Text(string key, bool required)
    {
        if (OptionalText(key) is { } text) return text;
        if (!required) return null;
        var found = !_values.TryGetValue(key, out var value) ? NoSuchKey() : value.IsNull ? "null" : "an empty text";
        throw new NlftException($"{Place}, \"{key}\"", found, "a text", "Fill it in, leave the row out, or name the property that holds it.");
    }

    /// <summary>A text that must be there and must not be blank.</summary>
    public string RequiredText(string key) => Text(key, required: true)!;

    /// <summary>A text, or null when it is missing, null or blank.</summary>
    public string? OptionalText(string key)
    {
        if (!_values.TryGetValue(key, out var value) || value.IsNull) return null;
        if (value.Value.ValueKind != JsonValueKind.String) throw WrongType(key, "a text", "Write it between quotes.");
        return value.Value.GetString() is { } text && !string.IsNullOrWhiteSpace(text) ? text : null;
    }

    /// <summary>A text, or a number as written; null when it is missing, null, blank or anything else.</summary>
    public string? TextOrNumber(string key) => !_values.TryGetValue(key, out var value) ? null : value.Value.ValueKind switch
    {
        JsonValueKind.Number => Encoding.UTF8.GetString(JsonMarshal.GetRawUtf8Value(value.Value)),
        JsonValueKind.String => OptionalText(key),
        _ => null,
    };

    /// <summary>A number, or null when there is none.</summary>
    public double? OptionalNumber(string key) =>
        _values.TryGetValue(key, out var value) && value.Value.ValueKind == JsonValueKind.Number && value.Value.TryGetDouble(out var number)
            ? number : null;

    /// <summary>true or false.</summary>
    public bool Flag(string key) => !_values.TryGetValue(key, out var value) ? throw Missing(key, "true or false")
        : value.Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.Value.GetBoolean()
        : throw WrongType(key, "true or false", "Write it without quotes.");

    /// <summary>An inner object.</summary>
    public JsonFields Object(string key) => !_values.TryGetValue(key, out var value) ? throw Missing(key, "an object")
        : value.Value.ValueKind == JsonValueKind.Object ? new JsonFields(value, $"{Place}, \"{key}\"")
        : throw WrongType(key, "an object", "Write it between braces.");

    private string NoSuchKey() =>
        $"no such property (only {(_values.Count == 0 ? "an empty object" : NameList.Quoted(_values.Keys))})";

    private NlftException Missing(string key, string expected) =>
        new($"{Place}, \"{key}\"", NoSuchKey(), expected, "Add it, or name the property that holds it.");

    private NlftException WrongType(string key, string expected, string remedy) =>
        new($"{Place}, \"{key}\"", _values[key].Description, expected, remedy);
}
