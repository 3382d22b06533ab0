using System.Collections;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Converts .NET values and JSON to template values.</summary>
internal static class TemplateInput
{
    private const int MaximumNesting = JsonFile.MaximumDepth;
    private const string ConvertFirst = "Convert the value first.";

    private static readonly string s_tooDeep = $"more than {MaximumNesting} levels of nesting";

    /// <summary>Converts null, booleans, numbers, strings, JSON, dictionaries, sequences and <see cref="ChatTurn"/>.</summary>
    public static object? Convert(object? value, string name) => Convert(value, name, 0);

    private static object? Convert(object? value, string name, int depth)
    {
        if (depth > MaximumNesting) throw Unsupported(name, s_tooDeep);
        switch (value)
        {
            case null or bool or string or long or double:
                return value;
            case sbyte or byte or short or ushort or int or uint:
                return System.Convert.ToInt64(value, CultureInfo.InvariantCulture);
            case float or decimal:
                return System.Convert.ToDouble(value, CultureInfo.InvariantCulture);
            case ChatTurn turn:
                return Convert(turn.ToMessage(turn.Content), name, depth);
            case JsonDocument document:
                return Convert((object)document.RootElement, name, depth);
            case JsonElement { ValueKind: JsonValueKind.Undefined }:
                return null;
            case JsonElement element:
                return Convert(JsonFile.Check(element, new(Subject(name), "a value") { FileRemedy = ConvertFirst }).Value, name, depth);
            case IDictionary dictionary:
                var map = new TemplateMap();
                foreach (DictionaryEntry entry in dictionary)
                {
                    var key = entry.Key as string ?? throw Unsupported(name, $"a key of type {entry.Key.GetType()}");
                    map.Add(key, Convert(entry.Value, name, depth + 1));
                }

                return map;
            case IEnumerable items:
                return items.Cast<object?>().Select(item => Convert(item, name, depth + 1)).ToList();
            default:
                throw Unsupported(name, value.GetType().ToString());
        }
    }

    private static object? Convert(JsonElement element, string name, int depth)
    {
        if (depth > MaximumNesting) throw Unsupported(name, s_tooDeep);
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                var map = new TemplateMap();
                foreach (var property in element.EnumerateObject()) map.Add(property.Name, Convert(property.Value, name, depth + 1));
                return map;
            case JsonValueKind.Array:
                return element.EnumerateArray().Select(item => Convert(item, name, depth + 1)).ToList();
            case JsonValueKind.String:
                return element.GetString();
            case JsonValueKind.Number:
                var isInteger = element.GetRawText().AsSpan().IndexOfAny('.', 'e', 'E') < 0;
                return isInteger && element.TryGetInt64(out var integer) ? (object)integer : element.GetDouble();
            case JsonValueKind.True or JsonValueKind.False:
                return element.GetBoolean();
            default:
                return null;
        }
    }

    private static NlftException Unsupported(string name, string found) => new(
        Subject(name),
        found,
        $"null, booleans, numbers, strings, JSON, dictionaries with string keys and sequences, at most {MaximumNesting} levels deep",
        ConvertFirst);

    private static string Subject(string name) => $"variable {name} of the chat template";
}
