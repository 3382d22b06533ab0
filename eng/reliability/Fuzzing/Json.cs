using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Mutates JSON without breaking its syntax, so that it passes the parser: other values and types, missing and unknown keys, moved parts, nesting.
/// </summary>
internal static class Json
{
    private static readonly JsonSerializerOptions s_plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 200 };

    /// <summary>Values that broke readers before.</summary>
    private static readonly string[] s_values =
    [
        "null", "true", "false", "0", "-1", "1", "2", "3", "16", "255", "65536", "16777215", "16777216", "2147483647", "2147483648", "-2147483648",
        "9223372036854775807", "18446744073709551615",
        "1e308", "1e999", "-0.0", "1e-320", "0.5", "123456789012345678901234567890", "\"\"", "\"a\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00x\"",
        "\"../../etc/passwd\"", "\"/dev/zero\"", "\"C:\\\\x\"",
        "\"(a+)+$\"", "\"(?:(?:(?:a*)*)*)*b\"", "\"[\"", "\"\\\\p{L}+\"", "\"(?i)x{0,1000}{0,1000}\"", "\"((((((((((\"", "\"NaN\"", "\"Infinity\"",
        "[]", "{}", "[[]]", "[null]", "[0,0]", "[1,1,1]", "{\"a\":{}}", "\"all-linear\"",
    ];

    /// <summary>Makes one to four structural changes, and sometimes changes of bytes.</summary>
    public static byte[] Mutate(Draw random, byte[] input)
    {
        if (random.Next(6) == 0 || Parse(input) is not { } root) return Bytes.Mutate(random, input);
        byte[] bytes;
        try
        {
            for (var changes = random.Next(1, 5); changes > 0; changes--) root = Change(random, root);
            bytes = Encoding.UTF8.GetBytes(root?.ToJsonString(s_plain) ?? "null");
        }
        catch (Exception e) when (e is InvalidOperationException or JsonException or ArgumentException) // half surrogates, too deep
        {
            return Bytes.Mutate(random, input);
        }
        // JsonNode cannot represent these: lone surrogates and deep nesting.
        return random.Next(20) switch
        {
            0 => Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(bytes).Replace("a", "\\ud800", StringComparison.Ordinal)),
            1 => [.. "["u8.ToArray().SelectMany(open => Enumerable.Repeat(open, random.Next(1, 3000))), .. bytes],
            2 => Bytes.Mutate(random, bytes),
            _ => bytes,
        };
    }

    /// <summary>Parses a JSON text; null when it is invalid.</summary>
    private static JsonNode? Parse(byte[] input)
    {
        try
        {
            return JsonNode.Parse(input);
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return null;
        }
    }

    private static JsonNode? Change(Draw random, JsonNode? root)
    {
        var places = new List<JsonNode>();
        Collect(root, places);
        if (places.Count == 0) return JsonNode.Parse(s_values[random.Next(s_values.Length)]);
        try
        {
            switch (places[random.Next(places.Count)])
            {
                case JsonObject { Count: > 0 } item:
                    var key = item.ElementAt(random.Next(item.Count)).Key;
                    switch (random.Next(6))
                    {
                        case 0: item.Remove(key); break;
                        case 1: item[key] = Other(random, places); break;
                        case 2: (item[key + "x"], _) = (item[key]?.DeepClone(), item.Remove(key)); break;
                        case 3: item[random.HasWords ? random.Word() : $"k{random.Next(4)}"] = Other(random, places); break;
                        default: item[key] = Value(random, item[key]); break;
                    }
                    break;
                case JsonArray list:
                    switch (random.Next(4))
                    {
                        case 0 when list.Count > 0: list.RemoveAt(random.Next(list.Count)); break;
                        case 1 when list.Count > 0: list[random.Next(list.Count)] = Other(random, places); break;
                        case 2 when list.Count > 0:
                            for (var n = random.Next(1, 60); n > 0; n--) list.Add(list[random.Next(list.Count)]?.DeepClone());
                            break;
                        default: list.Add(Value(random, null)); break;
                    }
                    break;
            }
        }
        catch (InvalidOperationException)
        {
        }
        return root;
    }

    private static JsonNode? Other(Draw random, List<JsonNode> places) =>
        random.Next(3) == 0 ? Value(random, null) : places[random.Next(places.Count)].DeepClone();

    private static JsonNode? Value(Draw random, JsonNode? old)
    {
        if (old is JsonValue value && random.Next(2) == 0)
        {
            if (value.TryGetValue<string>(out var text))
            {
                return random.Next(3) switch { 0 => text + text, 1 => string.Concat(Enumerable.Repeat(text, random.Next(1, 200))), _ =>
                    text.Length > 0 ? text[1..] : "x" };
            }
            if (value.TryGetValue<int>(out var number))
                return unchecked(random.Next(4) switch { 0 => number + 1, 1 => number - 1, 2 => number * 2, _ => -number });
        }
        if (random.HasWords && random.Next(3) == 0) return JsonValue.Create(random.Word());
        return JsonNode.Parse(s_values[random.Next(s_values.Length)] is var chosen && chosen.Contains("ud800", StringComparison.Ordinal)
            || chosen.Contains("udc00", StringComparison.Ordinal) ? "\"b\"" : chosen);
    }

    private static void Collect(JsonNode? node, List<JsonNode> places)
    {
        if (node is JsonObject item)
        {
            places.Add(item);
            foreach (var (_, child) in item) Collect(child, places);
        }
        else if (node is JsonArray list)
        {
            places.Add(list);
            foreach (var child in list) Collect(child, places);
        }
    }
}
