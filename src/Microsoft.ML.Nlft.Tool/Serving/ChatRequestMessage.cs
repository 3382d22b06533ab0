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
    /// <exception cref="ApiException">It has no role, or content other than text.</exception>
    public ChatMessage ToMessage(string place)
    {
        RefuseTools(place);
        var role = Role switch
        {
            "system" or "developer" => ChatRole.System,
            "user" => ChatRole.User,
            "assistant" => ChatRole.Assistant,
            null or "" => throw ApiException.Invalid($"{place}.role", $"'{place}.role' is missing."),
            _ => throw ApiException.Invalid($"{place}.role", $"'{place}.role' must be system, developer, user or assistant; it is '{Role}'."),
        };
        return new ChatMessage(role, [.. Texts(place)]);
    }

    /// <summary>Refuses calls of tools and their results: the chat client has none yet.</summary>
    private void RefuseTools(string place)
    {
        var field = Role is "tool" or "function" ? "role"
            : ToolCalls is { ValueKind: not JsonValueKind.Null } calls && calls.ValueKind != JsonValueKind.Array | IsNotEmpty(calls) ? "tool_calls"
            : FunctionCall is { ValueKind: not JsonValueKind.Null } ? "function_call"
            : ToolCallId is not null ? "tool_call_id"
            : null;
        if (field is null) return;
        throw ApiException.Unsupported($"{place}.{field}",
            $"'{place}.{field}' is not supported: this server gives a model that calls no tools. Leave the message out.");

        static bool IsNotEmpty(JsonElement list) => list.ValueKind == JsonValueKind.Array && list.GetArrayLength() > 0;
    }

    private IEnumerable<AIContent> Texts(string place)
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
