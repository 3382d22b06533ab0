using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>
/// Translates messages and options of Microsoft.Extensions.AI for this library. Options that are not supported are refused by name.
/// </summary>
internal static partial class ChatRequest
{
    /// <summary>
    /// Names in <see cref="ChatOptions.AdditionalProperties"/>, as in OpenAI's API and compatible servers.
    /// </summary>
    private const string LogProbabilities = "logprobs", TopLogProbabilities = "top_logprobs", TemplateVariables = "chat_template_kwargs",
        MinP = "min_p", RepetitionPenalty = "repetition_penalty";

    private const string CorrectOrLeaveOut = "Correct the value or leave it out.";

    private static readonly JsonElement s_anyJson = JsonElement.Parse("true");

    /// <summary>Returns the generation options of one answer.</summary>
    /// <param name="options">The options of the request.</param>
    /// <param name="defaults">The values that the request does not set.</param>
    /// <param name="modelId">The name of the client's model.</param>
    /// <exception cref="NlftException">An option is not supported.</exception>
    public static GenerationOptions Generation(ChatOptions? options, GenerationOptions defaults, string modelId)
    {
        if (options is null) return defaults;
        Refuse(options.ConversationId is not null, nameof(options.ConversationId), $"\"{options.ConversationId}\"",
            "nothing: no conversation is kept here",
            "Send the earlier messages with each request.");
        Refuse(options.ModelId is { } id && id != modelId, nameof(options.ModelId), $"\"{options.ModelId}\"", $"\"{modelId}\"",
            "Leave it out: a client has one model.");
        return defaults with
        {
            MaximumNewTokens = options.MaxOutputTokens ?? defaults.MaximumNewTokens,
            Temperature = Exact(options.Temperature) ?? defaults.Temperature,
            TopP = Exact(options.TopP) ?? defaults.TopP,
            TopK = options.TopK ?? defaults.TopK,
            MinP = Additional(options, MinP, ChatRequestJson.Default.Double, "a number") ?? defaults.MinP,
            RepetitionPenalty = Additional(options, RepetitionPenalty, ChatRequestJson.Default.Double, "a number")
                ?? defaults.RepetitionPenalty,
            FrequencyPenalty = Exact(options.FrequencyPenalty) ?? defaults.FrequencyPenalty,
            PresencePenalty = Exact(options.PresencePenalty) ?? defaults.PresencePenalty,
            Seed = options.Seed is { } seed ? (int)(seed is >= int.MinValue and <= int.MaxValue ? seed : seed ^ (seed >> 32)) : defaults.Seed,
            StopStrings = options.StopSequences is { } stops ? [.. defaults.StopStrings.Union(stops)] : defaults.StopStrings,
            LogProbabilities = Additional(options, LogProbabilities, ChatRequestJson.Default.Boolean, "true or false") ?? defaults.LogProbabilities,
            TopLogProbabilities = Additional(options, TopLogProbabilities, ChatRequestJson.Default.Int32, "a whole number")
                ?? defaults.TopLogProbabilities,
            JsonSchema = options.ResponseFormat switch
            {
                ChatResponseFormatJson json => json.Schema ?? s_anyJson,
                ChatResponseFormatText => null,
                _ => defaults.JsonSchema,
            },
        };
    }

    /// <summary>
    /// Returns the variables of the chat template: the reasoning effort under the names that templates use, then the named ones.
    /// </summary>
    public static Dictionary<string, object?> Variables(ChatOptions? options)
    {
        var variables = new Dictionary<string, object?>();
        if (options?.Reasoning?.Effort is { } effort)
        {
            variables["enable_thinking"] = effort != ReasoningEffort.None;
            if (effort != ReasoningEffort.None)
                variables["reasoning_effort"] = effort switch { ReasoningEffort.Low => "low", ReasoningEffort.Medium => "medium", _ => "high" };
        }
        switch (options?.AdditionalProperties?.GetValueOrDefault(TemplateVariables))
        {
            case null or JsonElement { ValueKind: JsonValueKind.Null }:
                break;
            case IEnumerable<KeyValuePair<string, object?>> pairs:
                foreach (var (name, value) in pairs) variables[name] = value;
                break;
            case JsonElement { ValueKind: JsonValueKind.Object } json:
                var source = new JsonSource(SubjectOf(TemplateVariables)) { FileRemedy = CorrectOrLeaveOut };
                foreach (var (name, value) in JsonFile.Check(json, source).Members()) variables[name] = value.Value;
                break;
            case var other:
                throw UnfitAdditional(TemplateVariables, other, "an object of names and values");
        }
        return variables;
    }

    private static T? Additional<T>(ChatOptions options, string name, JsonTypeInfo<T> type, string expected) where T : struct
    {
        var value = options.AdditionalProperties?.GetValueOrDefault(name);
        try
        {
            return value switch
            {
                null or JsonElement { ValueKind: JsonValueKind.Null } => null,
                T fitting => fitting,
                JsonElement json => json.Deserialize(type),
                long number when number == (int)number && typeof(T) == typeof(int) => (T)(object)(int)number,
                _ => throw UnfitAdditional(name, value, expected),
            };
        }
        catch (JsonException)
        {
            throw UnfitAdditional(name, value, expected);
        }
    }

    private static NlftException UnfitAdditional(string name, object? found, string expected) =>
        new(SubjectOf(name), string.Create(CultureInfo.InvariantCulture, $"{found}"), expected, CorrectOrLeaveOut);

    private static string SubjectOf(string name) => $"option ChatOptions.AdditionalProperties[\"{name}\"]";

    /// <summary>Converts a float to the double with the same decimal digits: 0.7f to 0.7.</summary>
    private static double? Exact(float? value) => value is { } number
        ? double.Parse(number.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;

    private static void Refuse(bool refused, string option, string found, string expected, string remedy)
    {
        if (refused) throw new NlftException($"option ChatOptions.{option}", found, expected, remedy);
    }

    [JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
    [JsonSerializable(typeof(bool))]
    [JsonSerializable(typeof(double))]
    [JsonSerializable(typeof(int))]
    private sealed partial class ChatRequestJson : JsonSerializerContext;
}
