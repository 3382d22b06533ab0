using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>Reads the values that enum and const list, as the texts that a JSON document may spell them with.</summary>
internal static class ListedValues
{
    /// <summary>Reads the values of a keyword.</summary>
    /// <param name="place">The schema.</param>
    /// <param name="keyword">enum, a list of values, or const, one value.</param>
    /// <param name="types">The types that the values may have; others are left out.</param>
    public static List<ListedValue> Read(JsonPlace place, string keyword, JsonTypes types)
    {
        var values = new List<ListedValue>();
        foreach (var item in keyword == "const" ? [place[keyword]] : place[keyword].Items())
        {
            var type = item.Value.ValueKind switch
            {
                JsonValueKind.Null => JsonTypes.Null,
                JsonValueKind.True or JsonValueKind.False => JsonTypes.Boolean,
                JsonValueKind.String => JsonTypes.String,
                JsonValueKind.Array => JsonTypes.Array,
                JsonValueKind.Object => JsonTypes.Object,
                _ => item.Value.TryGetDouble(out var number) && Math.Floor(number) == number ? JsonTypes.Integer : JsonTypes.Number,
            };
            if ((types & type) == 0 && !(type == JsonTypes.Integer && types.HasFlag(JsonTypes.Number))) continue;
            List<byte[]> spellings = [];
            foreach (var escapes in (bool[])[false, true])
            {
                var text = new StringBuilder();
                Write(item.Value, escapes, text);
                var bytes = Encoding.UTF8.GetBytes(text.ToString());
                if (spellings.Count == 0 || !spellings[0].AsSpan().SequenceEqual(bytes)) spellings.Add(bytes);
            }
            values.Add(new(type, spellings, DepthOf(item.Value)));
        }
        return values;
    }

    private static void Write(JsonElement value, bool escapes, StringBuilder text)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                text.Append('"').Append(JsonExpressions.Spelling(value.GetString()!, escapes));
                break;
            case JsonValueKind.Array:
                text.Append('[');
                foreach (var (at, item) in value.EnumerateArray().Index())
                {
                    if (at > 0) text.Append(',');
                    Write(item, escapes, text);
                }
                text.Append(']');
                break;
            case JsonValueKind.Object:
                text.Append('{');
                foreach (var (at, member) in value.EnumerateObject().Index())
                {
                    text.Append(at > 0 ? "," : "").Append('"').Append(JsonExpressions.Spelling(member.Name, escapes)).Append(':');
                    Write(member.Value, escapes, text);
                }
                text.Append('}');
                break;
            default:
                text.Append(value.GetRawText());
                break;
        }
    }

    private static int DepthOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => 1 + value.EnumerateArray().Select(DepthOf).DefaultIfEmpty().Max(),
        JsonValueKind.Object => 1 + value.EnumerateObject().Select(member => DepthOf(member.Value)).DefaultIfEmpty().Max(),
        _ => 0,
    };
}
