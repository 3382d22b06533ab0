using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>Converts messages of Microsoft.Extensions.AI to those of a chat template.</summary>
internal static class ChatTurns
{
    /// <summary>Converts a conversation.</summary>
    /// <exception cref="NlftException">A message has a role or content that is not accepted, or answers a call that none makes.</exception>
    public static IReadOnlyList<ChatTurn> Of(IReadOnlyList<ChatMessage> messages)
    {
        var (turns, calls) = (new List<ChatTurn>(), new Dictionary<string, ToolCall>(StringComparer.Ordinal));
        foreach (var (index, message) in messages.Index())
        {
            var place = $"message {index + 1}";
            if (message.Role == ChatRole.Tool)
            {
                foreach (var content in message.Contents) turns.Add(Result(content, place, calls));
                continue;
            }
            var role = message.Role == ChatRole.System ? "system" : message.Role == ChatRole.User ? "user"
                : message.Role == ChatRole.Assistant ? "assistant"
                : throw new NlftException(place, $"the role {message.Role}", "system, user, assistant or tool", "Give it one of these roles.");
            var (text, made) = (new StringBuilder(), new List<ToolCall>());
            foreach (var content in message.Contents)
            {
                if (content is TextContent part) text.Append(part.Text);
                else if (content is FunctionCallContent call && role == "assistant") made.Add(new(call.CallId, call.Name, ArgumentsOf(call)));
                else throw Unreadable(content, place, "TextContent: the model reads text only");
            }
            foreach (var call in made) calls[call.Id] = call;
            turns.Add(new ChatTurn(role, text.ToString()) { ToolCalls = made });
        }
        return turns;
    }

    private static ChatTurn Result(AIContent content, string place, Dictionary<string, ToolCall> calls)
    {
        if (content is not FunctionResultContent result) throw Unreadable(content, place, "FunctionResultContent in a message of the role tool");
        return calls.TryGetValue(result.CallId, out var call) ? new ChatTurn("tool", TextOf(result)) { Answers = call }
            : throw new NlftException(place, $"the result of the call \"{result.CallId}\"", "the call in an earlier message of the assistant",
                "Send the message with the call, too.");
    }

    private static string TextOf(FunctionResultContent result) => result switch
    {
        { Exception: { } failure } when result.Result is null => $"Error: {failure.Message}",
        { Result: null } => "null",
        { Result: string text } => text,
        { Result: JsonElement { ValueKind: JsonValueKind.String } json } => json.GetString()!,
        { Result: JsonElement json } => json.GetRawText(),
        { Result: TextContent text } => text.Text,
        { Result: IEnumerable<AIContent> parts } when parts.All(part => part is TextContent) => string.Concat(parts),
        { Result: var value } => JsonSerializer.Serialize(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType())),
    };

    private static JsonElement ArgumentsOf(FunctionCallContent call) => call.Arguments is not { } arguments ? JsonElement.Parse("{}")
        : JsonSerializer.SerializeToElement(arguments,
            (JsonTypeInfo<IDictionary<string, object?>>)AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(IDictionary<string, object?>)));

    private static NlftException Unreadable(AIContent content, string place, string expected) =>
        new(place, $"a {content.GetType().Name}", expected, "Leave it out or put it into words.");
}
