using System.Text.Json;
using Microsoft.Extensions.AI;

namespace ChatServer;

/// <summary>The body of POST /v1/chat/completions. Unsupported options that would change the answer are refused by name.</summary>
internal sealed record CompletionRequest
{
    public string? Model { get; init; }

    public IReadOnlyList<Message?>? Messages { get; init; }

    public bool? Stream { get; init; }

    public StreamSettings? StreamOptions { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? MaxTokens { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public float? FrequencyPenalty { get; init; }

    public float? PresencePenalty { get; init; }

    public long? Seed { get; init; }

    public JsonElement? Stop { get; init; }

    public int? N { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    /// <summary>The variables of the chat template, as in other local model servers: <c>{"enable_thinking": false}</c>.</summary>
    public JsonElement? ChatTemplateKwargs { get; init; }

    public JsonElement? LogitBias { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? Functions { get; init; }

    public JsonElement? ResponseFormat { get; init; }

    internal sealed record Message(string? Role, JsonElement? Content);

    internal sealed record StreamSettings(bool? IncludeUsage);

    /// <summary>Converts the conversation for Microsoft.Extensions.AI.</summary>
    /// <exception cref="ApiException">A message has no role, or content other than text.</exception>
    public IReadOnlyList<ChatMessage> ToMessages()
    {
        if (Messages is not { Count: > 0 }) throw ApiException.Invalid("messages", "'messages' must be a list of one message or more.");
        return [.. Messages.Select((message, i) => message is null
            ? throw ApiException.Invalid($"messages[{i}]", $"'messages[{i}]' is null.")
            : new ChatMessage(Role(message, i), [.. Texts(message, i)]))];
    }

    /// <summary>Converts the options for Microsoft.Extensions.AI.</summary>
    /// <exception cref="ApiException">An option is not supported.</exception>
    public ChatOptions ToOptions()
    {
        Refuse(N is not (null or 1), "n", "one answer a request");
        if (TopLogprobs is > 0 && Logprobs is not true) throw ApiException.Invalid("top_logprobs", "'top_logprobs' needs 'logprobs': true.");
        Refuse(IsFilled(LogitBias), "logit_bias", "the model's own probabilities");
        Refuse(IsFilled(Tools), "tools", "a model that calls no tools");
        Refuse(IsFilled(Functions), "functions", "a model that calls no functions");
        Refuse(IsFilled(ResponseFormat) && !IsText(ResponseFormat!.Value), "response_format", "text");
        return new ChatOptions
        {
            Temperature = Temperature,
            TopP = TopP,
            MaxOutputTokens = MaxCompletionTokens ?? MaxTokens,
            FrequencyPenalty = FrequencyPenalty,
            PresencePenalty = PresencePenalty,
            Seed = Seed,
            StopSequences = Stops(),
            AdditionalProperties = new() { ["logprobs"] = Logprobs, ["top_logprobs"] = TopLogprobs, ["chat_template_kwargs"] = ChatTemplateKwargs },
        };
    }

    private List<string>? Stops() => Stop switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } many when many.EnumerateArray().All(stop => stop.ValueKind == JsonValueKind.String) =>
            [.. many.EnumerateArray().Select(stop => stop.GetString()!)],
        _ => throw ApiException.Invalid("stop", "'stop' must be a string or a list of strings."),
    };

    private static ChatRole Role(Message message, int index) => message.Role switch
    {
        "system" or "developer" => ChatRole.System,
        { Length: > 0 } role => new ChatRole(role),
        _ => throw ApiException.Invalid($"messages[{index}].role", $"'messages[{index}].role' is missing."),
    };

    private static IEnumerable<AIContent> Texts(Message message, int index)
    {
        var parts = message.Content switch
        {
            { ValueKind: JsonValueKind.String } text => [text.GetString()],
            { ValueKind: JsonValueKind.Array } list => list.EnumerateArray().Select(Part),
            _ => [null],
        };
        return parts.Select(text => new TextContent(text
            ?? throw ApiException.Invalid($"messages[{index}].content",
                $"'messages[{index}].content' must be a text or a list of parts of the type text.")));

        static string? Part(JsonElement part) =>
            part.ValueKind == JsonValueKind.Object && part.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
                ? text.GetString() : null;
    }

    private static bool IsText(JsonElement format) => format.ValueKind == JsonValueKind.Object && format.TryGetProperty("type", out var type)
        && type.ValueKind == JsonValueKind.String && type.ValueEquals("text");

    private static bool IsFilled(JsonElement? element) => element switch
    {
        null or { ValueKind: JsonValueKind.Null } => false,
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() > 0,
        { ValueKind: JsonValueKind.Object } map => map.EnumerateObject().Any(),
        _ => true,
    };

    private static void Refuse(bool refused, string parameter, string supported)
    {
        if (refused)
        {
            throw ApiException.Invalid(parameter, $"'{parameter}' is not supported: this server gives {supported}. Leave it out.",
                "unsupported_parameter");
        }
    }
}
