using System.Text.Json;

namespace Microsoft.ML.Nlft.Common;

/// <summary>A JSON value together with its place (file and key path), so that every refusal names where it stands.</summary>
internal readonly record struct JsonPlace(JsonElement Value, string File, string Key)
{
    private const int LongestQuote = 80;

    public string Subject => Key.Length == 0 ? File : $"{File}, key \"{Key}\"";

    /// <summary>Whether the value is missing or null: the two spellings of "not set".</summary>
    public bool IsNull => Value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;

    /// <summary>The value in a few words, for messages.</summary>
    public string Found => Value.ValueKind switch
    {
        JsonValueKind.Undefined => "nothing",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        _ when Value.GetRawText() is { Length: > LongestQuote } text => text[..LongestQuote] + "...",
        _ => Value.GetRawText(),
    };

    /// <summary>A member of this object; its value is undefined when the object lacks it.</summary>
    public JsonPlace this[string name] =>
        new(RequireObject().TryGetProperty(name, out var member) ? member : default, File, Key.Length == 0 ? name : $"{Key}.{name}");

    public IEnumerable<JsonPlace> Items()
    {
        Require(JsonValueKind.Array, "an array");
        var index = 0;
        foreach (var item in Value.EnumerateArray())
        {
            yield return new JsonPlace(item, File, $"{Key}[{index++}]");
        }
    }

    public JsonElement RequireObject() => Require(JsonValueKind.Object, "an object");

    public string String() => Require(JsonValueKind.String, "a string") is var text && IsWellFormed(text, out var value) ? value : throw Refuse("a string of whole Unicode characters");

    public string? StringOrNull() => IsNull ? null : String();

    public bool Boolean(bool ifMissing) =>
        IsNull ? ifMissing : Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? Value.GetBoolean() : throw Refuse("true or false");

    public int Index() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out var number) && number >= 0 ? number : throw Refuse("a whole number from 0 to 2147483647");

    /// <summary>One of several names, as the enum value of the same name.</summary>
    public T OneOf<T>()
        where T : struct, Enum =>
        Value.ValueKind == JsonValueKind.String && Enum.TryParse<T>(Value.GetString(), ignoreCase: false, out var value) && Enum.IsDefined(value) && !char.IsAsciiDigit(Value.GetString()![0])
            ? value
            : throw Refuse("one of " + string.Join(", ", Enum.GetNames<T>()));

    public NlftException Refuse(string expected, string? remedy = null, Exception? cause = null) =>
        new(Subject, Found, expected, remedy ?? "Correct the file or download it again.", cause);

    private JsonElement Require(JsonValueKind kind, string name) => Value.ValueKind == kind ? Value : throw Refuse(name);

    private static bool IsWellFormed(JsonElement text, out string value)
    {
        try
        {
            value = text.GetString()!;
            return true;
        }
        catch (InvalidOperationException)
        {
            // A \uD800 escape without its other half: not text.
            value = string.Empty;
            return false;
        }
    }
}
