using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Reads the fields of a request that hold tools, calls and forms of answers, as in OpenAI's API.</summary>
internal static class ToolFields
{
    private static readonly JsonElement s_anyObject = JsonElement.Parse("""{"type": "object"}""");

    /// <summary>Reads <c>tools</c>: functions with name, description and the schema of their parameters.</summary>
    /// <exception cref="ApiException">One is no function, or has no name.</exception>
    public static IList<AITool> Tools(JsonElement tools) =>
        [.. List(tools, "tools").Select((tool, i) => Function(tool, $"tools[{i}]"))];

    /// <summary>Reads <c>tool_choice</c>: none, auto, required, or a function.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public static ChatToolMode Choice(JsonElement choice) => choice switch
    {
        { ValueKind: JsonValueKind.String } when choice.ValueEquals("none") => ChatToolMode.None,
        { ValueKind: JsonValueKind.String } when choice.ValueEquals("auto") => ChatToolMode.Auto,
        { ValueKind: JsonValueKind.String } when choice.ValueEquals("required") => ChatToolMode.RequireAny,
        _ when Text(Member(Member(choice, "function"), "name")) is { } name => ChatToolMode.RequireSpecific(name),
        _ => throw ApiException.Invalid("tool_choice", "'tool_choice' must be none, auto, required or {\"type\": \"function\", \"function\": "
            + "{\"name\": \"...\"}}."),
    };

    /// <summary>Reads <c>response_format</c>: text, json_object, or json_schema with a schema.</summary>
    /// <exception cref="ApiException">It is something else.</exception>
    public static ChatResponseFormat Format(JsonElement format)
    {
        var schema = Member(Member(format, "json_schema"), "schema");
        return Text(Member(format, "type")) switch
        {
            "text" => ChatResponseFormat.Text,
            "json_object" => ChatResponseFormat.ForJsonSchema(s_anyObject),
            "json_schema" when schema is { } given => ChatResponseFormat.ForJsonSchema(given),
            "json_schema" => throw ApiException.Invalid("response_format.json_schema.schema", "'response_format.json_schema.schema' is missing."),
            _ => throw ApiException.Invalid("response_format", "'response_format' must be an object whose type is text, json_object or json_schema."),
        };
    }

    /// <summary>Reads the calls of a message of the assistant.</summary>
    /// <param name="calls">Its field <c>tool_calls</c>.</param>
    /// <param name="place">The place of the field in the body.</param>
    /// <exception cref="ApiException">A call lacks its id or its function, or its arguments are no object of JSON.</exception>
    public static IEnumerable<AIContent> Calls(JsonElement calls, string place) => List(calls, place).Select((call, i) =>
    {
        var function = Member(call, "function");
        return new FunctionCallContent(Required(Member(call, "id"), $"{place}[{i}].id"),
            Required(Member(function, "name"), $"{place}[{i}].function.name"),
            Arguments(Member(function, "arguments"), $"{place}[{i}].function.arguments"));
    });

    /// <summary>Writes the calls of an answer; null: it has none.</summary>
    public static IReadOnlyList<ChatToolCall>? Of(IEnumerable<AIContent> contents)
    {
        var calls = contents.OfType<FunctionCallContent>().Select(call => new ChatToolCall(null, call.CallId, "function",
            new(call.Name, JsonSerializer.Serialize(call.Arguments ?? new Dictionary<string, object?>(),
                AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)))))).ToList();
        return calls.Count > 0 ? calls : null;
    }

    private static AIFunctionDeclaration Function(JsonElement tool, string place)
    {
        if (Text(Member(tool, "type")) is not (null or "function"))
            throw ApiException.Unsupported($"{place}.type", $"'{place}.type' must be function: no other tools are called here.");
        var function = Member(tool, "function");
        return AIFunctionFactory.CreateDeclaration(Required(Member(function, "name"), $"{place}.function.name"),
            Text(Member(function, "description")), Member(function, "parameters") ?? s_anyObject);
    }

    private static Dictionary<string, object?> Arguments(JsonElement? arguments, string place)
    {
        try
        {
            if (Text(arguments) is { } text && JsonNode.Parse(text) is JsonObject members)
                return members.ToDictionary(member => member.Key, member => (object?)member.Value?.Deserialize(Wire.Json.JsonElement));
        }
        catch (Exception fault) when (fault is JsonException or ArgumentException)
        {
            throw ApiException.Invalid(place, $"'{place}' is no valid JSON: {fault.Message}", cause: fault);
        }
        throw ApiException.Invalid(place, $"'{place}' must be a text that holds an object of JSON.");
    }

    private static IEnumerable<JsonElement> List(JsonElement list, string place) => list.ValueKind == JsonValueKind.Array ? list.EnumerateArray()
        : throw ApiException.Invalid(place, $"'{place}' must be a list.");

    private static JsonElement? Member(JsonElement? json, string name) =>
        json is { ValueKind: JsonValueKind.Object } map && map.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null
            ? value : null;

    private static string? Text(JsonElement? json) => json is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static string Required(JsonElement? json, string place) =>
        Text(json) is { Length: > 0 } text ? text : throw ApiException.Invalid(place, $"'{place}' must be a text.");
}
