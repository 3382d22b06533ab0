using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace ChatServer;

/// <summary>An answer, or a part of one, in the wire format: <c>chat.completion</c> and <c>chat.completion.chunk</c>.</summary>
internal sealed record CompletionResponse(string? Id, string Object, long Created, string? Model, IReadOnlyList<Choice> Choices, TokenUsage? Usage)
{
    public static CompletionResponse Whole(ChatResponse response, TokenLogprobs? logprobs) => new(
        response.ResponseId, "chat.completion", Seconds(response.CreatedAt), response.ModelId,
        [new Choice(0, new Text("assistant", response.Text), null, logprobs, response.FinishReason?.Value)], TokenUsage.Of(response.Usage));

    public static CompletionResponse Chunk(ChatResponseUpdate update, Text delta, TokenLogprobs? logprobs = null) => new(
        update.ResponseId, "chat.completion.chunk", Seconds(update.CreatedAt), update.ModelId,
        [new Choice(0, null, delta, logprobs, update.FinishReason?.Value)], null);

    /// <summary>Creates a chunk before the last one.</summary>
    public CompletionResponse Unfinished() => this with { Choices = [.. Choices.Select(choice => choice with { FinishReason = null })] };

    /// <summary>Creates the usage chunk after the last one.</summary>
    public static CompletionResponse UsageChunk(ChatResponseUpdate last) => Chunk(last, new(null, null)) with
    {
        Choices = [],
        Usage = TokenUsage.Of(last.Contents.OfType<UsageContent>().FirstOrDefault()?.Details),
    };

    private static long Seconds(DateTimeOffset? time) => time?.ToUnixTimeSeconds() ?? 0;
}

internal sealed record Choice(
    int Index,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Text? Message,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Text? Delta,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] TokenLogprobs? Logprobs,
    string? FinishReason);

internal sealed record Text(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Role,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Content);

internal sealed record TokenUsage(long? PromptTokens, long? CompletionTokens, long? TotalTokens)
{
    public static TokenUsage? Of(UsageDetails? usage) => usage is null ? null
        : new(usage.InputTokenCount, usage.OutputTokenCount, usage.TotalTokenCount);
}

/// <summary>GET /v1/models.</summary>
internal sealed record ModelList(string Object, IReadOnlyList<ModelEntry> Data);

internal sealed record ModelEntry(string? Id, string Object, long Created, string OwnedBy);

/// <summary>The JSON options of the wire format.</summary>
internal static class Wire
{
    public static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, // the body is JSON, never embedded in a page
    };
}
