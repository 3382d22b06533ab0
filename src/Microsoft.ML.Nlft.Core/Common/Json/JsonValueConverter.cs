using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Writes values whose type only the caller knows, such as the variables of a chat template: null, booleans, numbers, texts, JSON, dictionaries and
/// lists, as <see cref="JsonSerializer"/> writes them. Reads every value as a <see cref="JsonElement"/>.
/// </summary>
internal sealed class JsonValueConverter : JsonConverter<object?>
{
    /// <inheritdoc/>
    public override object? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? null : JsonElement.ParseValue(ref reader);

    /// <inheritdoc/>
    public override void Write(Utf8JsonWriter writer, object? value, JsonSerializerOptions options) => Write(writer, value);

    /// <summary>Writes a value.</summary>
    /// <param name="writer">Receives it.</param>
    /// <param name="value">The value.</param>
    /// <param name="writeDouble">Writes a double; null: in the shortest form, without a point if it is whole.</param>
    /// <exception cref="NlftException">The value, or one in it, is of another type.</exception>
    public static void Write(Utf8JsonWriter writer, object? value, Action<Utf8JsonWriter, double>? writeDouble = null)
    {
        switch (value)
        {
            case double number when writeDouble is not null: writeDouble(writer, number); break;
            case null: writer.WriteNullValue(); break;
            case string text: writer.WriteStringValue(text); break;
            case bool flag: writer.WriteBooleanValue(flag); break;
            case JsonElement json: json.WriteTo(writer); break;
            case JsonDocument json: json.RootElement.WriteTo(writer); break;
            case double number: writer.WriteNumberValue(number); break;
            case float number: writer.WriteNumberValue(number); break;
            case decimal number: writer.WriteNumberValue(number); break;
            case ulong number: writer.WriteNumberValue(number); break;
            case sbyte or byte or short or ushort or int or uint or long:
                writer.WriteNumberValue(Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture));
                break;
            case Enum name: writer.WriteNumberValue(Convert.ToInt64(name, System.Globalization.CultureInfo.InvariantCulture)); break;
            case IDictionary pairs:
                writer.WriteStartObject();
                foreach (DictionaryEntry pair in pairs)
                {
                    writer.WritePropertyName(pair.Key as string ?? throw Refuse(pair.Key, "a text as key"));
                    Write(writer, pair.Value, writeDouble);
                }
                writer.WriteEndObject();
                break;
            case IEnumerable items:
                writer.WriteStartArray();
                foreach (var item in items) Write(writer, item, writeDouble);
                writer.WriteEndArray();
                break;
            default:
                throw Refuse(value, "null, a boolean, a number, a text, JSON, a dictionary or a list");
        }
    }

    private static NlftException Refuse(object value, string expected) =>
        new("a value to be written as JSON", $"a {value.GetType()}", expected, "Convert the value first.");
}
