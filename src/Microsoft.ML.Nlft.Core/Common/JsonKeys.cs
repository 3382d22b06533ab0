using System.Text.Json;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// The keys of a JSON object that came from a file, read by type; a wrong type is reported with file, key and value. A key that is null
/// counts as missing, except for <see cref="IsNull"/>.
/// </summary>
internal sealed class JsonKeys
{
    private const string Correct = "Correct the value, or take the file that belongs to the model.";

    private readonly JsonElement _object;
    private readonly string _prefix;

    private JsonKeys(string source, JsonElement element, string prefix = "") => (Source, _object, _prefix) = (source, element, prefix);

    /// <summary>The file, for messages.</summary>
    public string Source { get; }

    /// <summary>All keys in the order of the file.</summary>
    public IEnumerable<string> Names => _object.EnumerateObject().Select(property => property.Name);

    /// <summary>Reads a file that holds one JSON object.</summary>
    public static JsonKeys Load(string path, string whatItIs)
    {
        if (!File.Exists(path)) throw new NlftException(path, "no such file", whatItIs, "Check the path, or download the file again.");
        return Parse(path, File.ReadAllBytes(path), whatItIs);
    }

    /// <summary>Reads the bytes of a file that holds one JSON object.</summary>
    public static JsonKeys Parse(string path, ReadOnlyMemory<byte> json, string whatItIs)
    {
        JsonElement root;
        try
        {
            using var document = JsonText.Parse(json);
            root = document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw new NlftException(path, $"invalid JSON ({exception.Message})", $"{whatItIs}: one JSON object",
                "Correct the file, or download it again.", exception);
        }
        return root.ValueKind == JsonValueKind.Object ? new JsonKeys(path, root)
            : throw new NlftException(path, Text(root), $"{whatItIs}: one JSON object", "Correct the file, or download it again.");
    }

    public bool Has(string key) => _object.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null;

    public bool IsNull(string key) => _object.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Null;

    /// <summary>The raw value; only where <see cref="Has"/>.</summary>
    public JsonElement this[string key] => _object.GetProperty(key);

    public int? Int(string key) =>
        Get(key, "an integer below 2147483648", value =>
            value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : (int?)null);

    public double? Number(string key) =>
        Get(key, "a finite number", value =>
            value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) ? number : (double?)null);

    public bool? Flag(string key) =>
        Get(key, "true or false", value => value.ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, _ => (bool?)null });

    public string? Text(string key)
    {
        if (!Has(key)) return null;
        return _object.GetProperty(key) is { ValueKind: JsonValueKind.String } value ? value.GetString() : throw Error(key, "a text");
    }

    public JsonKeys? Object(string key)
    {
        if (!Has(key)) return null;
        var value = _object.GetProperty(key);
        return value.ValueKind == JsonValueKind.Object ? new JsonKeys(Source, value, $"{_prefix}{key}.") : throw Error(key, "an object");
    }

    public IReadOnlyList<string>? Texts(string key) =>
        List(key, "a list of texts", value => value.ValueKind == JsonValueKind.String ? value.GetString() : null);

    /// <summary>An integer, or a list of integers.</summary>
    public IReadOnlyList<int>? IntOrInts(string key)
    {
        if (!Has(key)) return null;
        if (_object.GetProperty(key).ValueKind == JsonValueKind.Number) return [Int(key)!.Value];
        return List(key, "an integer or a list of integers", value =>
            value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? (object)number : null)!.Cast<int>().ToArray();
    }

    /// <summary>The fault of a key: its value was found, something else was expected.</summary>
    public NlftException Error(string key, string expected, string remedy = Correct) =>
        new(Place(key), _object.TryGetProperty(key, out var value) ? Text(value) : "no such key", expected, remedy);

    /// <summary>Where a key stands, for messages.</summary>
    public string Place(string key) => $"{Source}, \"{_prefix}{key}\"";

    private T? Get<T>(string key, string expected, Func<JsonElement, T?> read) where T : struct =>
        Has(key) ? read(_object.GetProperty(key)) ?? throw Error(key, expected) : null;

    private List<T>? List<T>(string key, string expected, Func<JsonElement, T?> read) where T : class
    {
        if (!Has(key)) return null;
        var value = _object.GetProperty(key);
        if (value.ValueKind != JsonValueKind.Array) throw Error(key, expected);
        return [.. value.EnumerateArray().Select(item => read(item) ?? throw Error(key, expected))];
    }

    private static string Text(JsonElement value)
    {
        var text = value.GetRawText();
        return text.Length <= 80 ? text : text[..77] + "...";
    }
}
