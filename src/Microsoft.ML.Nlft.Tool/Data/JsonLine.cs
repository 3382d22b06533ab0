using System.Text.Encodings.Web;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>Writes results for programs: one JSON object a line, for --json.</summary>
internal static class JsonLine
{
    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes an object with these keys, in this order. A number that is not finite becomes null.</summary>
    public static void Write(TextWriter writer, params (string Key, object? Value)[] keys) =>
        writer.WriteLine(JsonSerializer.Serialize(Object(keys), s_json));

    /// <summary>Returns an object to nest in another.</summary>
    public static Dictionary<string, object?> Object(params (string Key, object? Value)[] keys) =>
        keys.ToDictionary(pair => pair.Key, pair => pair.Value is double number && !double.IsFinite(number) ? null : pair.Value);
}
