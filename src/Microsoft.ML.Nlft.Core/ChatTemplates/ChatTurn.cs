using System.Text.Json;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">The text.</param>
public sealed record ChatTurn(string Role, string Content)
{
    /// <summary>The calls that an assistant's message makes.</summary>
    internal IReadOnlyList<ToolCall> ToolCalls { get; init; } = [];

    /// <summary>The call that a message of the role tool answers; null: none.</summary>
    internal ToolCall? Answers { get; init; }

    /// <summary>Returns the message as templates read it, with the names of Hugging Face.</summary>
    /// <param name="content">The content in the form that the template takes.</param>
    internal Dictionary<string, object?> ToMessage(object? content)
    {
        var message = new Dictionary<string, object?> { ["role"] = Role, ["content"] = content };
        if (ToolCalls.Count > 0) message["tool_calls"] = ToolCalls.Select(call => call.ToMessage()).ToArray();
        if (Answers is { } call) (message["name"], message["tool_call_id"]) = (call.Name, call.Id);
        return message;
    }
}

/// <summary>A call of a function.</summary>
/// <param name="Id">Tells calls apart.</param>
/// <param name="Name">The function's name.</param>
/// <param name="Arguments">An object with the arguments by name.</param>
internal sealed record ToolCall(string Id, string Name, JsonElement Arguments)
{
    /// <summary>Returns the call as templates read it.</summary>
    public Dictionary<string, object?> ToMessage() => new()
    {
        ["type"] = "function",
        ["id"] = Id,
        ["function"] = new Dictionary<string, object?> { ["name"] = Name, ["arguments"] = Arguments },
    };
}
