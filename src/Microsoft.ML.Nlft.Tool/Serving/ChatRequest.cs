using System.Text.Json;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>The body of POST /v1/chat/completions.</summary>
internal sealed record ChatRequest : GenerationRequest
{
    public IReadOnlyList<ChatRequestMessage?>? Messages { get; init; }

    public int? MaxCompletionTokens { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    public string? ReasoningEffort { get; init; }

    /// <summary>The variables of the chat template, as in other local model servers: <c>{"enable_thinking": false}</c>.</summary>
    public JsonElement? ChatTemplateKwargs { get; init; }

    public JsonElement? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public JsonElement? Functions { get; init; }

    public JsonElement? FunctionCall { get; init; }

    public JsonElement? ResponseFormat { get; init; }

    /// <summary>Converts the conversation for Microsoft.Extensions.AI.</summary>
    /// <exception cref="ApiException">A message has no role, or content other than text.</exception>
    public IReadOnlyList<ChatMessage> ToMessages()
    {
        if (Messages is not { Count: > 0 }) throw ApiException.Invalid("messages", "'messages' must be a list of one message or more.");
        return [.. Messages.Select((message, i) => message?.ToMessage($"messages[{i}]")
            ?? throw ApiException.Invalid($"messages[{i}]", $"'messages[{i}]' is null."))];
    }

    /// <summary>Converts the options for Microsoft.Extensions.AI.</summary>
    /// <exception cref="ApiException">A field is not supported.</exception>
    public ChatOptions ToOptions()
    {
        var options = CommonOptions(Wire.Json.ChatRequest);
        if (TopLogprobs is > 0 && Logprobs is not true) throw ApiException.Invalid("top_logprobs", "'top_logprobs' needs 'logprobs': true.");
        if (MaxCompletionTokens < 1) throw ApiException.Invalid("max_completion_tokens", "'max_completion_tokens' must be 1 or more.");
        RefuseFunctions();
        options.Tools = IsFilled(Tools) ? ToolFields.Tools(Tools!.Value) : null;
        options.ToolMode = IsFilled(ToolChoice) ? ToolFields.Choice(ToolChoice!.Value) : null;
        options.ResponseFormat = IsFilled(ResponseFormat) ? ToolFields.Format(ResponseFormat!.Value) : null;
        options.MaxOutputTokens = MaxCompletionTokens ?? MaxTokens;
        options.Reasoning = Effort() is { } effort ? new() { Effort = effort } : null;
        options.AdditionalProperties!["logprobs"] = Logprobs;
        options.AdditionalProperties["top_logprobs"] = TopLogprobs;
        options.AdditionalProperties["chat_template_kwargs"] = ChatTemplateKwargs;
        return options;
    }

    /// <summary>Refuses what tools were called before they had this name.</summary>
    private void RefuseFunctions()
    {
        Refuse(IsFilled(Functions), "functions", "'tools' in place of them");
        Refuse(IsFilled(FunctionCall), "function_call", "'tool_choice' in place of it");
    }

    private ReasoningEffort? Effort() => ReasoningEffort switch
    {
        null => null,
        "none" => Microsoft.Extensions.AI.ReasoningEffort.None,
        "minimal" or "low" => Microsoft.Extensions.AI.ReasoningEffort.Low,
        "medium" => Microsoft.Extensions.AI.ReasoningEffort.Medium,
        "high" => Microsoft.Extensions.AI.ReasoningEffort.High,
        _ => throw ApiException.Invalid("reasoning_effort", "'reasoning_effort' must be none, minimal, low, medium or high."),
    };
}
