using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>A <c>chat.completion</c> or <c>chat.completion.chunk</c>.</summary>
internal sealed record ChatCompletion(
    string Id, string Object, long Created, string Model, IReadOnlyList<ChatChoice> Choices,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TokenUsage? Usage);

/// <summary>An answer, or a part of one.</summary>
internal sealed record ChatChoice(
    int Index,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ChatText? Message,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ChatText? Delta,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TokenLogprobs? Logprobs,
    string? FinishReason);

/// <summary>The text and the calls of an answer, or a part of them.</summary>
internal sealed record ChatText(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Role,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Content,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<ChatToolCall>? ToolCalls = null);

/// <summary>A call of a tool; in a chunk with its index among the calls of the answer.</summary>
internal sealed record ChatToolCall(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Index, string Id, string Type, ChatFunctionCall Function);

/// <summary>A function's name, and its arguments as a text of JSON.</summary>
internal sealed record ChatFunctionCall(string Name, string Arguments);

/// <summary>A <c>text_completion</c>, whole or in parts.</summary>
internal sealed record TextCompletion(
    string Id, string Object, long Created, string Model, IReadOnlyList<TextChoice> Choices,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TokenUsage? Usage);

/// <summary>A continuation, or a part of one.</summary>
internal sealed record TextChoice(int Index, string Text, TextLogprobs? Logprobs, string? FinishReason);

/// <summary>The tokens of a request.</summary>
internal sealed record TokenUsage(long PromptTokens, long CompletionTokens, long TotalTokens, PromptTokensDetails PromptTokensDetails)
{
    /// <summary>Adds up the tokens of choices; a prompt with several answers counts once.</summary>
    /// <param name="ends">The last update of each choice.</param>
    /// <param name="perPrompt">Answers per prompt.</param>
    public static TokenUsage Of(IReadOnlyList<UsageDetails?> ends, int perPrompt)
    {
        var prompts = ends.Where((_, choice) => choice % perPrompt == 0).ToList();
        var (prompt, cached) = (prompts.Sum(usage => usage?.InputTokenCount ?? 0), prompts.Sum(usage => usage?.CachedInputTokenCount ?? 0));
        var completion = ends.Sum(usage => usage?.OutputTokenCount ?? 0);
        return new(prompt, completion, prompt + completion, new(cached));
    }
}

/// <summary>How many tokens of the prompts were not computed, because the model had kept them of earlier ones.</summary>
internal sealed record PromptTokensDetails(long CachedTokens);

/// <summary>GET /v1/models.</summary>
internal sealed record ModelList(string Object, IReadOnlyList<ModelEntry> Data);

/// <summary>GET /v1/models/{id}.</summary>
internal sealed record ModelEntry(string Id, string Object, long Created, string OwnedBy);

/// <summary>GET /health.</summary>
internal sealed record HealthBody(string Status);
