using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// A row of supervised fine-tuning that is more than one question: a conversation, or text that continues as it stands. <see cref="TrainingFile"/>
/// reads it from the layouts that chat data has.
/// </summary>
public sealed record ChatRow
{
    /// <summary>
    /// The messages of the conversation in order, as a chat template sees them: names and values (role, content, tool_calls, ...). Empty: the row is
    /// text.
    /// </summary>
    public IReadOnlyList<IReadOnlyDictionary<string, object?>> Messages { get; init; } = [];

    /// <summary>
    /// How many of the messages are the prompt: everything after it counts in the loss. Null: the assistant's turns count, wherever they stand.
    /// </summary>
    public int? PromptMessages { get; init; }

    /// <summary>Of a row of text, what the completion continues; null: none, and every token of the completion counts.</summary>
    public string? Prompt { get; init; }

    /// <summary>Of a row of text, what the model should write; null in conversations.</summary>
    public string? Completion { get; init; }

    /// <summary>The tools that the conversation offers, a JSON list; null: none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Variables of the chat template for this row, over <see cref="PromptOptions.TemplateVariables"/>. Default none.</summary>
    public IReadOnlyDictionary<string, object?> TemplateVariables { get; init; } = new Dictionary<string, object?>();

    /// <summary>Returns what the row asks, as a text by which rows are compared: the prompt; without one, the whole row.</summary>
    internal string PromptKey => Prompt ?? Completion ?? KeyOf(Messages.Take(PromptMessages ?? Messages.Count));

    /// <summary>Returns the whole row as a text by which rows are compared.</summary>
    internal string WholeKey => Completion is not null ? Prompt + Completion : KeyOf(Messages);

    /// <summary>
    /// Whether everything that counts in the loss is blank: the completion, the messages after the prompt, or the assistant's messages.
    /// </summary>
    internal bool IsEmpty => Completion is not null ? string.IsNullOrWhiteSpace(Completion)
        : Messages.Where((message, i) => i >= PromptMessages || (PromptMessages is null && RoleOf(message) == "assistant"))
            .All(message => message.All(member => member.Key == "role" || IsBlank(member.Value)));

    /// <summary>Returns the content of the last message of a role, where it is a text.</summary>
    internal string? LastText(string role) =>
        Messages.LastOrDefault(message => RoleOf(message) == role) is { } last ? ContentOf(last) : null;

    /// <summary>Returns the role of a message; null: it is no text.</summary>
    internal static string? RoleOf(IReadOnlyDictionary<string, object?> message) => TextOf(message, "role");

    /// <summary>Returns the content of a message; null: it is no text.</summary>
    internal static string? ContentOf(IReadOnlyDictionary<string, object?> message) => TextOf(message, "content");

    private static string KeyOf(IEnumerable<IReadOnlyDictionary<string, object?>> messages)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes)) JsonValueConverter.Write(writer, messages.Select(message => message.ToDictionary()));
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    private static bool IsBlank(object? value) => value switch
    {
        null => true,
        string text => string.IsNullOrWhiteSpace(text),
        JsonElement { ValueKind: JsonValueKind.String } text => string.IsNullOrWhiteSpace(text.GetString()),
        JsonElement { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() == 0,
        _ => false,
    };

    private static string? TextOf(IReadOnlyDictionary<string, object?> message, string name) => message.GetValueOrDefault(name) switch
    {
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString(),
        _ => null,
    };
}
