using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Reads conversations and texts to train on from rows of the chat layouts. A value that is nested in JSON may also be a text that holds that JSON,
/// as in CSV.
/// </summary>
internal static class ChatRowReader
{
    private const string Role = "role", Content = "content", ToolCalls = "tool_calls", Assistant = "assistant",
        FunctionCall = "function_call";
    private static readonly string[] s_reasoning = ["reasoning_content", "thinking", "reasoning"]; // in the order in which they count

    private static readonly Dictionary<string, string> s_roles = new(StringComparer.OrdinalIgnoreCase)
    {
        ["human"] = "user", ["user"] = "user", ["gpt"] = Assistant, ["chatgpt"] = Assistant, ["bing"] = Assistant, ["bard"] = Assistant,
        ["model"] = Assistant, [Assistant] = Assistant, ["system"] = "system", ["tool"] = "tool", ["observation"] = "tool",
        ["function_response"] = "tool", [FunctionCall] = Assistant,
    };

    /// <summary>Reads a row.</summary>
    /// <param name="layout">The layout of its file.</param>
    /// <param name="row">The row.</param>
    /// <exception cref="NlftException">Names the row, the column and, where there is one, the message.</exception>
    public static DataRow Read(RowLayout layout, JsonFields row)
    {
        var chat = layout.Kind switch
        {
            LayoutKind.Messages => new ChatRow { Messages = Messages(row, "messages", s_openAi) },
            LayoutKind.Conversations => new ChatRow { Messages = [.. SystemOf(row), .. Messages(row, "conversations", s_shareGpt)] },
            LayoutKind.Completions => Completion(row),
            _ => new ChatRow { Completion = RawText(row, "text") },
        };
        chat = chat with { Tools = Json(row, RowLayout.Tools, JsonValueKind.Array, "a list of tools"), TemplateVariables = VariablesOf(row) };
        if (chat is { Messages: not [], PromptMessages: null } && !chat.Messages.Any(message => ChatRow.RoleOf(message) == Assistant))
        {
            throw new NlftException(row.Place, "a conversation without a turn of the assistant", "one or more: they are what is learned",
                "Add the answer, or leave the row out.");
        }
        return new DataRow
        {
            Question = chat.Prompt ?? chat.LastText("user") ?? "",
            Response = chat.Completion ?? chat.LastText(Assistant),
            Id = row.TextOrNumber("id"),
            Source = row.Place,
            Chat = chat,
        };
    }

    private static ChatRow Completion(JsonFields row)
    {
        var (prompt, completion) = (IsChat(row, "prompt"), IsChat(row, "completion"));
        if (!prompt && !completion) return new ChatRow { Prompt = RawText(row, "prompt"), Completion = RawText(row, "completion") };
        if (prompt != completion)
        {
            throw new NlftException($"{row.Place}, \"completion\"",
                completion ? "messages after a prompt that is text" : "text after a prompt of messages",
                "prompt and completion of one kind: two texts, or two lists of messages", "Write both in the same form.");
        }
        var messages = Messages(row, "prompt", s_openAi);
        return new ChatRow { Messages = [.. messages, .. Messages(row, "completion", s_openAi)], PromptMessages = messages.Count };
    }

    /// <summary>Whether a value is a list of messages, or a text that holds one.</summary>
    private static bool IsChat(JsonFields row, string key) => row.Value(key) is { } place && place.Value.ValueKind switch
    {
        JsonValueKind.Array => true,
        JsonValueKind.String when Parsed(place.Value.GetString()!) is { ValueKind: JsonValueKind.Array } list =>
            list.GetArrayLength() > 0
                && list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Object && item.TryGetProperty(Role, out _)),
        _ => false,
    };

    private static List<IReadOnlyDictionary<string, object?>> Messages(JsonFields row, string key, MessageNames names)
    {
        var place = $"{row.Place}, \"{key}\"";
        var list = Json(row, key, JsonValueKind.Array, "a list of messages")
            ?? throw new NlftException(place, "nothing", "a list of messages", "Fill it in or leave the row out.");
        List<IReadOnlyDictionary<string, object?>> messages =
            [.. list.EnumerateArray().Select((message, at) => Message(message, $"{place}, message {at + 1}", names))];
        return messages.Count > 0 ? messages
            : throw new NlftException(place, "an empty list", "one message or more", "Fill it in or leave the row out.");
    }

    private static OrderedDictionary<string, object?> Message(JsonElement message, string place, MessageNames names)
    {
        var read = new OrderedDictionary<string, object?>(StringComparer.Ordinal);
        if (message.ValueKind != JsonValueKind.Object)
        {
            throw new NlftException(place, message.ValueKind.ToString().ToLowerInvariant(), "an object with a role and a content",
                "Correct the row.");
        }
        foreach (var member in message.EnumerateObject().Where(member => member.Value.ValueKind != JsonValueKind.Null)) // as transformers does
            read[names.Of(member.Name)] = member.Value;
        var role = ChatRow.RoleOf(read);
        if (string.IsNullOrWhiteSpace(role))
            throw new NlftException($"{place}, \"{names.RoleName}\"", "no text", "a role: system, user, assistant or tool", "Name the role.");
        if (names.MapsRoles)
        {
            read[Role] = s_roles.TryGetValue(role, out var known) ? known : throw new NlftException($"{place}, \"{names.RoleName}\"",
                $"\"{role}\"", $"one of {string.Join(", ", s_roles.Keys)}", "Correct the role.");
        }
        if (names.MapsRoles && role.Equals(FunctionCall, StringComparison.OrdinalIgnoreCase))
        {
            read[ToolCalls] = Calls(ChatRow.ContentOf(read), $"{place}, \"{names.ContentName}\"");
            read[Content] = JsonElement.Parse("\"\"");
        }
        if (read.GetValueOrDefault(Content) is JsonElement { ValueKind: JsonValueKind.Array } parts) read[Content] = Joined(parts, place);
        if (s_reasoning.FirstOrDefault(read.ContainsKey) is { } name)
            foreach (var alias in s_reasoning[..2]) read.TryAdd(alias, read[name]);
        if (!read.ContainsKey(Content) && !read.ContainsKey(ToolCalls) && !read.ContainsKey(s_reasoning[0]))
            throw new NlftException(place, "a message without content", "a content, or tool calls", "Fill it in or leave the row out.");
        return read;
    }

    /// <summary>Reads the calls that a text holds as JSON: {"name": ..., "arguments": {...}}, or a list of them.</summary>
    private static JsonElement Calls(string? text, string place)
    {
        JsonElement[] calls = Parsed(text ?? "") switch
        {
            { ValueKind: JsonValueKind.Array } list => [.. list.EnumerateArray()],
            { } one => [one],
            null => [],
        };
        if (calls.Length > 0 && calls.All(call => call.ValueKind == JsonValueKind.Object && call.TryGetProperty("name", out _)
            && call.TryGetProperty("arguments", out _)))
        {
            return JsonElement.Parse(new JsonArray([.. calls.Select(call =>
                new JsonObject { ["type"] = "function", ["function"] = JsonNode.Parse(call.GetRawText()) })]).ToJsonString());
        }
        throw new NlftException(place, "no call of a function", "{\"name\": ..., \"arguments\": {...}} as JSON, or a list of them",
            "Correct the row.");
    }

    /// <summary>Joins the text parts of a content, which templates for text expect as one text.</summary>
    private static JsonElement Joined(JsonElement parts, string place)
    {
        var texts = parts.EnumerateArray().Select(part => part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out var text)
            && text.ValueKind == JsonValueKind.String ? text.GetString()
            : throw new NlftException($"{place}, \"{Content}\"", "a part that is not text", "text parts alone: the model reads text",
                "Leave the row out, or describe the part in words."));
        return JsonSerializer.SerializeToElement(string.Concat(texts), DataJson.Default.String);
    }

    private static IEnumerable<IReadOnlyDictionary<string, object?>> SystemOf(JsonFields row) =>
        row.OptionalText(RowLayout.System) is { } text ? [new OrderedDictionary<string, object?> { [Role] = "system", [Content] = text }] : [];

    private static Dictionary<string, object?> VariablesOf(JsonFields row) =>
        Json(row, RowLayout.TemplateVariables, JsonValueKind.Object, "an object with variables of the chat template") is { } variables
            ? variables.EnumerateObject().ToDictionary(variable => variable.Name, variable => (object?)variable.Value) : [];

    /// <summary>Returns a nested value, or one that a text holds; null when it is missing, null or a blank text.</summary>
    private static JsonElement? Json(JsonFields row, string key, JsonValueKind kind, string expected)
    {
        if (row.Value(key) is not { IsNull: false } place) return null;
        var value = place.Value;
        if (value.ValueKind == JsonValueKind.String)
        {
            if (string.IsNullOrWhiteSpace(value.GetString())) return null;
            value = Parsed(value.GetString()!) ?? value;
        }
        return value.ValueKind == kind ? value
            : throw new NlftException($"{row.Place}, \"{key}\"", place.Description, $"{expected}, or a text that holds it as JSON",
                "Correct the value.");
    }

    /// <summary>Returns the JSON that a text holds; null: it is no JSON.</summary>
    private static JsonElement? Parsed(string text)
    {
        try
        {
            if (text.TrimStart() is not ['[' or '{', ..]) return null;
            return JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = JsonFile.MaximumDepth, AllowDuplicateProperties = false });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Returns a text as it stands, blank or not.</summary>
    private static string RawText(JsonFields row, string key) =>
        row.Value(key) is { Value: { ValueKind: JsonValueKind.String } text } ? text.GetString()! : row.RequiredText(key);

    private static readonly MessageNames s_openAi = new(Role, Content, MapsRoles: false), s_shareGpt = new("from", "value", MapsRoles: true);

    /// <summary>How a layout names the role and the content of a message.</summary>
    private sealed record MessageNames(string RoleName, string ContentName, bool MapsRoles)
    {
        public string Of(string name) => name == RoleName ? Role : name == ContentName ? Content : name;
    }
}
