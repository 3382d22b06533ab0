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

    /// <summary>Reads a file over options that hold their defaults.</summary>
    /// <exception cref="NlftException">The file cannot be read or is not JSON, a key is unknown, or a value has the wrong type.</exception>
    public static void Read(string path, ToolOptions options)
    {
        const string whatItIs = "a JSON file with options";
        if (!File.Exists(path)) throw new NlftException(path, "no such file", whatItIs, "Check the path.");
        Apply(JsonFile.Load(new(path, whatItIs) { FileRemedy = "Correct the file.", ValueRemedy = "Correct the value.", IsHandwritten = true }),
            options);
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

    private static void Apply(JsonPlace place, object record)
    {
        if (place.Value.ValueKind != JsonValueKind.Object) throw place.Refuse("a JSON object", "Write it between braces.");
        var properties = OptionProperty.Of(record.GetType()).ToDictionary(property => property.Name, StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in place.Members(StringComparer.OrdinalIgnoreCase))
        {
            if (!properties.TryGetValue(name, out var property))
            {
                throw new NlftException(value.Subject, "a key that is no option",
                    $"one of {string.Join(", ", properties.Values.Select(known => known.Name))}",
                    NearestName.Find(name, properties.Keys) is { } near ? $"Did you mean {near}?" : "Remove it.");
            }
            if (OptionProperty.IsRecord(property)) Apply(value, property.GetValue(record)!);
            else property.SetValue(record, Read(value, property));
        }
    }

    private static object? Read(JsonPlace place, PropertyInfo property)
    {
        try
        {
            var value = place.Value.Deserialize(property.PropertyType, s_values);
            if (value is not null || new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable) return value;
        }
        catch (JsonException)
        {
        }
        throw place.Refuse(Expected(property.PropertyType));
    }

    private static string Expected(Type type)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        return type.IsEnum ? string.Join(", ", Enum.GetNames(type).Select(name => $"\"{name}\""))
            : type == typeof(int) || type == typeof(long) ? "a whole number"
            : type == typeof(double) ? "a number"
            : type == typeof(bool) ? "true or false"
            : type == typeof(string) ? "a text"
            : type == typeof(IReadOnlyList<string>) ? "a list of strings"
            : type == typeof(IReadOnlyList<int>) ? "a list of whole numbers"
            : "an object of names and numbers";
    }

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
