using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>A message of a conversation. Fields that clients copy from responses (refusal, annotations) have no effect.</summary>
internal sealed record ChatRequestMessage
{
    public string? Role { get; init; }

    public JsonElement? Content { get; init; }

    public JsonElement? ToolCalls { get; init; }

    public string? ToolCallId { get; init; }

    public JsonElement? FunctionCall { get; init; }

    /// <summary>Converts the message for Microsoft.Extensions.AI.</summary>
    /// <param name="place">The message's place in the body.</param>
    /// <exception cref="ApiException">It has no role, content other than text, or calls that are not whole.</exception>
    public ChatMessage ToMessage(string place)
    {
        if (FunctionCall is { ValueKind: not JsonValueKind.Null })
            throw ApiException.Unsupported($"{place}.function_call", $"'{place}.function_call' is not supported: 'tool_calls' stands in its place.");
        var role = Role switch
        {
            "system" or "developer" => ChatRole.System,
            "user" => ChatRole.User,
            "assistant" => ChatRole.Assistant,
            "tool" => ChatRole.Tool,
            null or "" => throw ApiException.Invalid($"{place}.role", $"'{place}.role' is missing."),
            _ => throw ApiException.Invalid($"{place}.role",
                $"'{place}.role' must be system, developer, user, assistant or tool; it is '{Role}'."),
        };
        if (role == ChatRole.Tool) return new ChatMessage(role, [new FunctionResultContent(CallId(place), string.Concat(Texts(place)))]);
        var calls = ToolCalls is { ValueKind: not JsonValueKind.Null } given ? ToolFields.Calls(given, $"{place}.tool_calls").ToList() : [];
        if (calls.Count > 0 && role != ChatRole.Assistant)
            throw ApiException.Invalid($"{place}.tool_calls", $"'{place}.tool_calls' needs the role assistant; it is '{Role}'.");
        var isSilent = calls.Count > 0 && Content is null or { ValueKind: JsonValueKind.Null };
        return new ChatMessage(role, [.. isSilent ? [] : Texts(place), .. calls]);
    }

    private string CallId(string place) =>
        ToolCallId ?? throw ApiException.Invalid($"{place}.tool_call_id", $"'{place}.tool_call_id' is missing: which call is answered?");

    private IEnumerable<TextContent> Texts(string place)
    {
        var parts = Content switch
        {
            { ValueKind: JsonValueKind.String } text => [text.GetString()],
            { ValueKind: JsonValueKind.Array } list => list.EnumerateArray().Select(Part),
            _ => [null],
        };
        return parts.Select(text => new TextContent(text
            ?? throw ApiException.Invalid($"{place}.content", $"'{place}.content' must be a text or a list of parts of the type text.")));

        static string? Part(JsonElement part) =>
            part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
                ? text.GetString() : null;
    }
}
