using System.Collections;
using System.Globalization;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Writes JSON as Python's <c>json.dumps(keys, indent=2, sort_keys=True)</c> does: sorted keys, ASCII only, whole floats with their ".0".
/// </summary>
internal static class HuggingFaceJson
{
    private static readonly JsonWriterOptions s_indented = new() { Indented = true, NewLine = "\n" };

    public static byte[] Write(SortedDictionary<string, object?> keys)
    {
        var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes, s_indented)) Write(writer, keys);
        return bytes.ToArray();
    }

    private static void Write(Utf8JsonWriter writer, object? value)
    {
        switch (value)
        {
            case double number:
                var text = number.ToString("R", CultureInfo.InvariantCulture);
                writer.WriteRawValue(text.AsSpan().ContainsAny(".E") ? text : text + ".0");
                break;
            case IDictionary pairs:
                writer.WriteStartObject();
                foreach (DictionaryEntry pair in pairs)
                {
                    writer.WritePropertyName((string)pair.Key);
                    Write(writer, pair.Value);
                }
                writer.WriteEndObject();
                break;
            case IEnumerable items and not string:
                writer.WriteStartArray();
                foreach (var item in items) Write(writer, item);
                writer.WriteEndArray();
                break;
            default:
                JsonValueConverter.Write(writer, value);
                break;
        }
    }
}
