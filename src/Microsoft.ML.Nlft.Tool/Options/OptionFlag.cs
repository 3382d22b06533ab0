using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>
/// The flag of an <see cref="OptionProperty"/>: its type, its completions and its error messages. Sections of one command may share a flag, as
/// training and generation share --seed; it then sets all of them.
/// </summary>
internal sealed class OptionFlag : Option<object?>
{
    private readonly IReadOnlyList<OptionProperty> _properties;

    public OptionFlag(IReadOnlyList<OptionProperty> properties, XmlDocumentation documentation) : base(properties[0].Flag)
    {
        _properties = properties;
        var property = properties[0];
        Description = string.Join(' ', properties.Select(shared => documentation.Summary(shared.Property)).Distinct());
        HelpName = Placeholder(property.Type);
        (Arity, AllowMultipleArgumentsPerToken) = property.Type == typeof(bool) ? (ArgumentArity.ZeroOrOne, false)
            : IsMany(property.Type) ? (ArgumentArity.OneOrMore, true)
            : (ArgumentArity.ExactlyOne, false);
        CustomParser = Parse;
        if (Words(property.Type) is { Length: > 0 } words)
            CompletionSources.Add(_ => words.Select(word => new System.CommandLine.Completions.CompletionItem(word)));
    }

    /// <summary>The property that gives the flag its type, its section and its place in the help.</summary>
    public OptionProperty Property => _properties[0];

    /// <summary>Sets every property of the flag.</summary>
    public void Set(ToolOptions options, object? value)
    {
        foreach (var property in _properties) property.Set(options, value);
    }

    private static bool IsMany(Type type) => type.IsGenericType;

    /// <summary>Returns the words that a value can be; empty when values are not chosen from a list.</summary>
    private static string[] Words(Type type) =>
        type == typeof(bool) ? ["true", "false"] : type.IsEnum ? [.. Enum.GetNames(type).Select(OptionProperty.Kebab)] : [];

    private static string Placeholder(Type type) =>
        type == typeof(int) || type == typeof(long) ? "N"
        : type == typeof(double) ? "X"
        : Words(type) is { Length: > 0 } words ? string.Join('|', words)
        : type == typeof(string) ? "TEXT"
        : type == typeof(JsonElement) ? "FILE"
        : type == typeof(IReadOnlyList<int>) ? "N..."
        : type == typeof(IReadOnlyList<string>) ? "TEXT..."
        : "NAME=X...";

    private object? Parse(ArgumentResult result)
    {
        string[] values = [.. result.Tokens.Select(token => token.Value)];
        var type = Property.Type;
        if (values.Length == 0) return true; // a flag without a value: only Boolean ones allow it
        if (type == typeof(IReadOnlyList<string>)) return values;
        if (type == typeof(IReadOnlyList<int>)) return values.Select(value => One<int>(result, value)).ToArray();
        if (type == typeof(IReadOnlyDictionary<string, int>)) return Pairs<int>(result, values);
        if (type == typeof(IReadOnlyDictionary<string, double>)) return Pairs<double>(result, values);
        if (type == typeof(IReadOnlyDictionary<string, object>)) return Pairs<object>(result, values);
        return One(result, type, values[0]);
    }

    private Dictionary<string, T> Pairs<T>(ArgumentResult result, string[] values)
    {
        var pairs = new Dictionary<string, T>();
        foreach (var value in values)
        {
            var at = value.LastIndexOf('=');
            if (at < 1) Refuse(result, value, "NAME=VALUE");
            else pairs[value[..at]] = One<T>(result, value[(at + 1)..]);
        }
        return pairs;
    }

    private T One<T>(ArgumentResult result, string text) => One(result, typeof(T), text) is T value ? value : default!;

    private object? One(ArgumentResult result, Type type, string text)
    {
        var invariant = CultureInfo.InvariantCulture;
        if (type == typeof(object)) return JsonOrText(text);
        if (type == typeof(JsonElement)) return Json(result, text);
        if (type == typeof(string)) return text.Replace("\\n", "\n", StringComparison.Ordinal);
        if (type == typeof(int))
            return int.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var number) ? number : Refuse(result, text, "a whole number");
        if (type == typeof(long))
            return long.TryParse(text, NumberStyles.AllowLeadingSign, invariant, out var large) ? large : Refuse(result, text, "a whole number");
        if (type == typeof(double))
        {
            return double.TryParse(text, NumberStyles.Float, invariant, out var real) ? real
                : Refuse(result, text, "a number, with a point for decimals");
        }
        var names = type.IsEnum ? Enum.GetNames(type) : ["True", "False"];
        var name = Array.Find(names, name => string.Equals(name, text, StringComparison.OrdinalIgnoreCase)
            || OptionProperty.Kebab(name) == text.ToLowerInvariant());
        if (name is null) return Refuse(result, text, string.Join(", ", Words(type)));
        return type.IsEnum ? Enum.Parse(type, name) : name == "True";
    }

    /// <summary>Reads JSON, or a file that holds an object.</summary>
    private object? Json(ArgumentResult result, string text)
    {
        try
        {
            return text.TrimStart() is ['{', ..] or "true" ? JsonElement.Parse(text) : JsonFile.Load(new(text, "JSON")).Value;
        }
        catch (Exception e) when (e is JsonException or NlftException)
        {
            return Refuse(result, text, "JSON, or a file with a JSON object");
        }
    }

    /// <summary>Reads a value as JSON (true, 3, "a", [1, 2]); anything that is not JSON is a text.</summary>
    private static object JsonOrText(string text)
    {
        try
        {
            return JsonElement.Parse(text);
        }
        catch (JsonException)
        {
            return text;
        }
    }

    private object? Refuse(ArgumentResult result, string found, string expected)
    {
        result.AddError($"{Name}: found \"{found}\"; expected {expected}.");
        return null;
    }
}
