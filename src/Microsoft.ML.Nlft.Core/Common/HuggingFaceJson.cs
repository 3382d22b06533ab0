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
        using (var writer = new Utf8JsonWriter(bytes, s_indented)) JsonValueConverter.Write(writer, keys, WriteFloat);
        return bytes.ToArray();
    }

    private static void WriteFloat(Utf8JsonWriter writer, double value)
    {
        var text = value.ToString("R", CultureInfo.InvariantCulture);
        writer.WriteRawValue(text.AsSpan().ContainsAny(".E") ? text : text + ".0");
    }
}
