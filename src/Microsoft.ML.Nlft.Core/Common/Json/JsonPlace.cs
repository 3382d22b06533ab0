using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// A JSON value with its place (file and path). Reads it by type; every message names the place, the value found and what was expected. A missing
/// member is a value too, of undefined kind.
/// </summary>
internal readonly struct JsonPlace
{
    private const int LongestQuote = 80, LongestDescription = 40;
    private const string Missing = "no such key";

    private readonly JsonPath _parent;
    private readonly string? _name;
    private readonly int _index;

    /// <summary>Creates the place of a whole file.</summary>
    public JsonPlace(JsonElement value, JsonSource source)
        : this(value, new JsonPath(source), "", 0)
    {
    }

    /// <summary>Creates a value at a path.</summary>
    public JsonPlace(JsonElement value, JsonSource source, string path)
        : this(value, new JsonPath(source), path, 0)
    {
    }

    private JsonPlace(JsonElement value, JsonPath parent, string? name, int index) => (Value, _parent, _name, _index) = (value, parent, name, index);

    /// <summary>The value as a JsonElement.</summary>
    public JsonElement Value { get; }

    /// <summary>The file, or the row of a file.</summary>
    public JsonSource Source => _parent.Source;

    /// <summary>The path of the value, for example <c>model.merges[3]</c>; empty for the whole file.</summary>
    public string Path => _parent.Of(_name, _index);

    /// <summary>File and path: the subject of messages.</summary>
    public string Subject => Source.Subject(Path);

    /// <summary>Whether the value is missing or null: the two spellings of "not set".</summary>
    public bool IsNull => Value.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null;

    /// <summary>Whether the object lacks the member.</summary>
    public bool IsMissing => Value.ValueKind == JsonValueKind.Undefined;

    /// <summary>The value in a few words, for messages.</summary>
    public string Found => IsMissing ? Missing : Quote(LongestQuote);

    /// <summary>The value with its kind, for messages: <c>the number 18</c>.</summary>
    public string Description => Value.ValueKind switch
    {
        JsonValueKind.Undefined => Missing,
        JsonValueKind.Object => "the object ",
        JsonValueKind.Array => "the list ",
        JsonValueKind.String => "the text ",
        JsonValueKind.Number => "the number ",
        _ => "the value ",
    } + (IsMissing ? "" : Quote(LongestDescription));

    /// <summary>
    /// Returns a member of this object, of undefined kind when it is missing. Searches all members; to read many, use <see cref="Members()"/>.
    /// </summary>
    public JsonPlace this[string name] => new(RequireObject().TryGetProperty(name, out var member) ? member : default, AsParent(), name, 0);

    /// <summary>Returns the members of this object in the order of the file.</summary>
    public IEnumerable<(string Name, JsonPlace Value)> Members()
    {
        var value = RequireObject();
        return Enumerate(value, AsParent());

        static IEnumerable<(string, JsonPlace)> Enumerate(JsonElement value, JsonPath parent)
        {
            foreach (var member in value.EnumerateObject())
            {
                var name = member.Name;
                yield return (name, new JsonPlace(member.Value, parent, name, 0));
            }
        }
    }

    /// <summary>Returns the members of this object by name.</summary>
    /// <param name="comparer">Compares the names.</param>
    /// <exception cref="NlftException">Two names are equal.</exception>
    public Dictionary<string, JsonPlace> Members(IEqualityComparer<string> comparer)
    {
        var members = new Dictionary<string, JsonPlace>(RequireObject().GetPropertyCount(), comparer);
        foreach (var (name, value) in Members())
        {
            if (!members.TryAdd(name, value))
                throw new NlftException(value.Subject, "the property twice", "each property once (names ignore case)", "Remove one of them.");
        }
        return members;
    }

    /// <summary>Returns the items of this array.</summary>
    public IEnumerable<JsonPlace> Items()
    {
        var value = Require(JsonValueKind.Array, "an array");
        return Enumerate(value, AsParent());

        static IEnumerable<JsonPlace> Enumerate(JsonElement value, JsonPath parent)
        {
            var index = 0;
            foreach (var item in value.EnumerateArray()) yield return new JsonPlace(item, parent, null, index++);
        }
    }

    /// <summary>Returns this value, which must be an object.</summary>
    public JsonElement RequireObject() => Require(JsonValueKind.Object, "an object");

    /// <summary>Returns this object, or null when it is not set.</summary>
    public JsonPlace? ObjectOrNull()
    {
        if (IsNull) return null;
        RequireObject();
        return this;
    }

    public string String() => Require(JsonValueKind.String, "a string").GetString()!;

    public string? StringOrNull() => IsNull ? null : String();

    /// <summary>Returns a list of strings, or null when it is not set.</summary>
    public IReadOnlyList<string>? StringsOrNull()
    {
        const string expected = "a list of strings";
        if (IsNull) return null;
        var strings = new List<string>();
        foreach (var item in Require(JsonValueKind.Array, expected).EnumerateArray())
            strings.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Refuse(expected));
        return strings;
    }

    public bool Boolean(bool ifMissing) => BooleanOrNull() ?? ifMissing;

    public bool? BooleanOrNull() =>
        IsNull ? null : Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? Value.GetBoolean() : throw Refuse("true or false");

    public int Int(string expected = "an integer") => IntOrNull() ?? throw Refuse(expected);

    public int? IntOrNull() =>
        IsNull ? null : IsInt(Value, out var number) ? number : throw Refuse("an integer from -2147483648 to 2147483647");

    /// <summary>Returns the integers of a list or a single integer, or null when it is not set.</summary>
    public IReadOnlyList<int>? IntsOrNull()
    {
        const string expected = "an integer or a list of integers";
        if (IsNull) return null;
        if (Value.ValueKind == JsonValueKind.Number) return [Int()];
        var numbers = new List<int>();
        foreach (var item in Require(JsonValueKind.Array, expected).EnumerateArray())
            numbers.Add(IsInt(item, out var number) ? number : throw Refuse(expected));
        return numbers;
    }

    /// <summary>Returns an integer of 0 or more.</summary>
    public int Index() => IsInt(Value, out var number) && number >= 0 ? number : throw Refuse("a whole number from 0 to 2147483647");

    public double Number(string expected = "a number") => NumberOrNull() ?? throw Refuse(expected);

    /// <summary>Returns a finite number, or null when it is not set.</summary>
    public double? NumberOrNull() =>
        IsNull ? null
        : Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out var number) && double.IsFinite(number) ? number
        : throw Refuse("a finite number");

    /// <summary>Returns one of several names as the enum value of the same name.</summary>
    public T OneOf<T>()
        where T : struct, Enum
    {
        var names = Enum.GetNames<T>();
        return Value.ValueKind == JsonValueKind.String && Value.GetString() is { } name && names.Contains(name, StringComparer.Ordinal)
            ? Enum.Parse<T>(name)
            : throw Refuse("one of " + string.Join(", ", names));
    }

    /// <summary>Deserializes the value.</summary>
    /// <exception cref="NlftException">The value does not fit the type; the message names the path.</exception>
    public T Deserialize<T>(JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return Value.Deserialize(type) ?? throw Refuse(Source.Expected, Source.FileRemedy);
        }
        catch (JsonException e)
        {
            var inner = e.Path is { Length: > 2 } path && path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : "";
            var place = (Path, inner) switch { ("", _) => inner, (var outer, "") => outer, var (outer, _) => $"{outer}.{inner}" };
            throw new NlftException(Source.Subject(place), JsonFile.Reason(e), Source.Expected, Source.FileRemedy, e);
        }
    }

    /// <summary>Creates the exception for this value when something else was expected.</summary>
    public NlftException Refuse(string expected, string? remedy = null, Exception? cause = null) =>
        new(Subject, Found, expected, remedy ?? Source.ValueRemedy, cause);

    private static bool IsInt(JsonElement value, out int number)
    {
        number = 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out number);
    }

    private JsonPath AsParent() => _parent.Parent is null && _name is "" ? _parent : new JsonPath(Source, _parent, _name, _index);

    private JsonElement Require(JsonValueKind kind, string name) => Value.ValueKind == kind ? Value : throw Refuse(name);

    /// <summary>Returns the value as the file spells it, truncated when long; decodes no more than it shows.</summary>
    private string Quote(int longest)
    {
        var raw = JsonMarshal.GetRawUtf8Value(Value);
        if (raw.Length <= longest) return Encoding.UTF8.GetString(raw);
        var text = Encoding.UTF8.GetString(raw[..Math.Min(raw.Length, 4 * longest)]);
        if (text.Length <= longest && raw.Length <= 4 * longest) return text;
        var end = Math.Min(longest, text.Length);
        return text[..(char.IsHighSurrogate(text[end - 1]) ? end - 1 : end)] + "...";
    }
}
