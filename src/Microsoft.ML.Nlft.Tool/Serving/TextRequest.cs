using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>The body of POST /v1/completions: prompts that the model continues as they are, without a chat template.</summary>
internal sealed record TextRequest : GenerationRequest
{
    /// <summary>A text, a list of texts, a list of token ids, or a list of such lists.</summary>
    public JsonElement? Prompt { get; init; }

    /// <summary>The number of likeliest tokens to list at each position; 0 gives the log-probabilities alone.</summary>
    public int? Logprobs { get; init; }

    public bool? Echo { get; init; }

    public string? Suffix { get; init; }

    public int? BestOf { get; init; }

    [JsonIgnore]
    protected override int PromptCount => Prompt is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0
        && list[0].ValueKind != JsonValueKind.Number ? list.GetArrayLength() : 1;

    /// <summary>Converts the options for Microsoft.Extensions.AI.</summary>
    /// <exception cref="ApiException">A field is not supported.</exception>
    public ChatOptions ToOptions()
    {
        var options = CommonOptions(Wire.Json.TextRequest);
        Refuse(Echo is true, "echo", "the continuation without the prompt");
        Refuse(Suffix is { Length: > 0 }, "suffix", "continuations of a prompt");
        Refuse(BestOf is { } best && best != (N ?? 1), "best_of", "every answer that it writes");
        if (Logprobs is < 0 or > 20) throw ApiException.Invalid("logprobs", "'logprobs' must be a whole number from 0 to 20.");
        options.AdditionalProperties!["logprobs"] = Logprobs is not null;
        options.AdditionalProperties["top_logprobs"] = Logprobs;
        return options;
    }

    /// <summary>Returns the prompts as token ids.</summary>
    /// <param name="encode">Encodes a text.</param>
    /// <exception cref="ApiException">The prompt is missing or of another form.</exception>
    public IReadOnlyList<int[]> ToPrompts(Func<string, int[]> encode)
    {
        int[][] prompts = Prompt switch
        {
            { ValueKind: JsonValueKind.String } text => [encode(text.GetString()!)],
            { ValueKind: JsonValueKind.Array } list when list.GetArrayLength() > 0 =>
                list[0].ValueKind == JsonValueKind.Number ? [Ids(list)] : [.. list.EnumerateArray().Select(One)],
            _ => throw WrongForm(),
        };
        return prompts;

        int[] One(JsonElement prompt) => prompt.ValueKind switch
        {
            JsonValueKind.String => encode(prompt.GetString()!),
            JsonValueKind.Array => Ids(prompt),
            _ => throw WrongForm(),
        };

        static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(id =>
            id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var value) ? value : throw WrongForm())];
    }

    private static ApiException WrongForm() =>
        ApiException.Invalid("prompt", "'prompt' must be a text, a list of texts, a list of token ids or a list of such lists.");
}
