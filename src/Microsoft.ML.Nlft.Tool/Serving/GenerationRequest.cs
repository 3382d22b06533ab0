using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>
/// What the bodies of both kinds of completions have in common. A field that would change the answer and is not supported is refused by name.
/// </summary>
internal abstract record GenerationRequest
{
    /// <summary>The most choices of one request.</summary>
    public const int MostChoices = 64;

    /// <summary>Fields that clients of OpenAI's API send and that change no answer.</summary>
    private static readonly HashSet<string> s_harmless =
        ["user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls"];

    public string? Model { get; init; }

    public bool? Stream { get; init; }

    public StreamSettings? StreamOptions { get; init; }

    public int? N { get; init; }

    public int? MaxTokens { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopK { get; init; }

    public double? MinP { get; init; }

    public double? RepetitionPenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    public float? PresencePenalty { get; init; }

    public long? Seed { get; init; }

    public JsonElement? Stop { get; init; }

    public JsonElement? LogitBias { get; init; }

    /// <summary>The fields that have no property.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }

    internal sealed record StreamSettings(bool? IncludeUsage);

    /// <summary>The number of answers that the request asks for.</summary>
    [JsonIgnore]
    public int AnswerCount => (int)Math.Clamp((N ?? 1L) * PromptCount, 1, int.MaxValue);

    /// <summary>The number of prompts, before they are checked.</summary>
    [JsonIgnore]
    protected virtual int PromptCount => 1;

    /// <summary>Returns the options that both kinds have.</summary>
    /// <param name="type">The JSON contract of the request, which knows its fields.</param>
    /// <exception cref="ApiException">A field is not supported.</exception>
    protected ChatOptions CommonOptions(JsonTypeInfo type)
    {
        RequireKnown(type);
        Refuse(IsFilled(LogitBias), "logit_bias", "the model's own probabilities");
        if (N is < 1 or > MostChoices) throw ApiException.Invalid("n", $"'n' must be a whole number from 1 to {MostChoices}.");
        return new ChatOptions
        {
            MaxOutputTokens = MaxTokens,
            Temperature = Temperature,
            TopP = TopP,
            TopK = TopK,
            FrequencyPenalty = FrequencyPenalty,
            PresencePenalty = PresencePenalty,
            Seed = Seed,
            StopSequences = Stops(),
            AdditionalProperties = new() { ["min_p"] = MinP, ["repetition_penalty"] = RepetitionPenalty },
        };
    }

    /// <summary>Whether a field holds anything: not null, not an empty list, object or text.</summary>
    protected static bool IsFilled(JsonElement? element) => element switch
    {
        null or { ValueKind: JsonValueKind.Null } => false,
        { ValueKind: JsonValueKind.Array } list => list.GetArrayLength() > 0,
        { ValueKind: JsonValueKind.Object } map => map.EnumerateObject().Any(),
        { ValueKind: JsonValueKind.String } text => !text.ValueEquals(""),
        _ => true,
    };

    /// <summary>Refuses a field by name, with what there is instead.</summary>
    protected static void Refuse(bool refused, string parameter, string supported)
    {
        if (refused) throw ApiException.Unsupported(parameter, $"'{parameter}' is not supported: this server gives {supported}. Leave it out.");
    }

    private void RequireKnown(JsonTypeInfo type)
    {
        foreach (var (name, value) in Others ?? [])
        {
            if (s_harmless.Contains(name) || value.ValueKind == JsonValueKind.Null) continue;
            var near = NearestName.Find(name, type.Properties.Where(field => !field.IsExtensionData).Select(field => field.Name));
            var remedy = near is null ? "Leave it out." : $"Did you mean '{near}'?";
            throw ApiException.Unsupported(name, $"'{name}' is no field of this request. {remedy}");
        }
    }

    private List<string>? Stops() => Stop switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.String } one => [one.GetString()!],
        { ValueKind: JsonValueKind.Array } many when many.EnumerateArray().All(stop => stop.ValueKind == JsonValueKind.String) =>
            [.. many.EnumerateArray().Select(stop => stop.GetString()!)],
        _ => throw ApiException.Invalid("stop", "'stop' must be a string or a list of strings."),
    };
}
