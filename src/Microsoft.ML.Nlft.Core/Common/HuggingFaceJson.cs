using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Writes JSON as Python's <c>json.dumps(keys, indent=2, sort_keys=True)</c> does: sorted keys, ASCII only, whole floats with their ".0".
/// </summary>
internal static class HuggingFaceJson
{
    private static readonly JsonSerializerOptions Options = new() { WriteIndented = true, NewLine = "\n", Converters = { new FloatConverter() } };

    public static byte[] Write(SortedDictionary<string, object?> keys) => JsonSerializer.SerializeToUtf8Bytes(keys, Options);

    private sealed class FloatConverter : JsonConverter<double>
    {
        public override double Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options)
        {
            var text = value.ToString("R", CultureInfo.InvariantCulture);
            writer.WriteRawValue(text.AsSpan().ContainsAny(".E") ? text : text + ".0");
        }
    }
}
