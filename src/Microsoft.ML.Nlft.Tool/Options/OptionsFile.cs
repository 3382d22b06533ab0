using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>Reads and writes <see cref="ToolOptions"/> as JSON, with the property names of the library's option records.</summary>
internal static class OptionsFile
{
    private static readonly JsonSerializerOptions s_values = new()
    {
        Converters = { new JsonStringEnumConverter(namingPolicy: null, allowIntegerValues: false) },
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        WriteIndented = true,
    };

    private static readonly JsonDocumentOptions s_syntax = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowDuplicateProperties = false,
    };

    /// <summary>Reads a file over options that hold their defaults.</summary>
    /// <exception cref="NlftException">The file cannot be read or is not JSON, a key is unknown, or a value has the wrong type.</exception>
    public static void Read(string path, ToolOptions options)
    {
        if (!File.Exists(path)) throw new NlftException(path, "no such file", "a JSON file with options", "Check the path.");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllText(path), s_syntax);
            Apply(document.RootElement, options, path, "");
        }
        catch (JsonException error)
        {
            var place = error.LineNumber is { } line ? $"{path}, line {line + 1}, column {error.BytePositionInLine + 1}" : path;
            throw new NlftException(place, $"text that is not JSON ({error.Message.Split(" LineNumber:")[0].Split(" Path:")[0].TrimEnd('.')})",
                "a JSON object", "Correct the file.", error);
        }
    }

    /// <summary>Writes the options as the text of an options file.</summary>
    public static string Write(ToolOptions options)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream,
            new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            Write(writer, options);
        }
        return System.Text.Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    private static void Apply(JsonElement json, object record, string path, string place)
    {
        var subject = place.Length == 0 ? path : $"{path}, {place}";
        if (json.ValueKind != JsonValueKind.Object)
            throw new NlftException(subject, Show(json), "a JSON object", "Write it between braces.");
        var properties = OptionProperty.Of(record.GetType()).ToDictionary(property => property.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var entry in json.EnumerateObject())
        {
            var name = place.Length == 0 ? entry.Name : $"{place}.{entry.Name}";
            if (!properties.TryGetValue(entry.Name, out var property))
            {
                throw new NlftException($"{path}, {name}", "a key that is no option",
                    $"one of {string.Join(", ", properties.Values.Select(known => known.Name))}",
                    NearestName.Find(entry.Name, properties.Keys) is { } near ? $"Did you mean {near}?" : "Remove it.");
            }
            if (OptionProperty.IsRecord(property)) Apply(entry.Value, property.GetValue(record)!, path, name);
            else property.SetValue(record, Value(entry.Value, property, $"{path}, {name}"));
        }
    }

    private static object? Value(JsonElement json, PropertyInfo property, string subject)
    {
        try
        {
            var value = json.Deserialize(property.PropertyType, s_values);
            if (value is not null || new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable) return value;
        }
        catch (JsonException)
        {
        }
        throw new NlftException(subject, Show(json), Expected(property.PropertyType), "Correct the value.");
    }

    private static string Expected(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type.IsEnum ? string.Join(", ", Enum.GetNames(type).Select(name => $"\"{name}\""))
            : type == typeof(int) ? "a whole number"
            : type == typeof(double) ? "a number"
            : type == typeof(bool) ? "true or false"
            : type == typeof(string) ? "a text"
            : type == typeof(IReadOnlyList<string>) ? "a list of strings"
            : type == typeof(IReadOnlyList<int>) ? "a list of whole numbers"
            : "an object of names and numbers";
    }

    private static string Show(JsonElement json) => json.GetRawText() is { Length: > 40 } text ? text[..40] + "..." : json.GetRawText();

    private static void Write(Utf8JsonWriter writer, object record)
    {
        writer.WriteStartObject();
        foreach (var property in OptionProperty.Of(record.GetType()))
        {
            writer.WritePropertyName(property.Name);
            if (OptionProperty.IsRecord(property)) Write(writer, property.GetValue(record)!);
            else JsonSerializer.Serialize(writer, property.GetValue(record), property.PropertyType, s_values);
        }
        writer.WriteEndObject();
    }
}
