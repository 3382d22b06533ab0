using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>A token of an answer with its log-probability, as generate prints it on request.</summary>
/// <param name="Text">The token as text.</param>
/// <param name="LogProbability">ln p; null when only the likeliest tokens were requested.</param>
/// <param name="Top">The likeliest tokens at this position; null when they were not requested.</param>
internal sealed record TokenLine(string Text, double? LogProbability, IReadOnlyList<TokenLine>? Top)
{
    /// <summary>Returns the tokens of an answer; null when none were requested.</summary>
    public static IReadOnlyList<TokenLine>? Of(GeneratedText answer, HuggingFaceTokenizer tokenizer)
    {
        if (answer.LogProbabilities is null && answer.TopLogProbabilities is null) return null;
        string Text(int token) => tokenizer.Decode([token], skipSpecialTokens: false);
        return [.. answer.Tokens.Select((token, i) => new TokenLine(Text(token), answer.LogProbabilities?[i],
            answer.TopLogProbabilities?[i].Select(other => new TokenLine(Text(other.Token), other.LogProbability, null)).ToArray()))];
    }

    /// <summary>Returns the tokens of an answer as JSON, without what is null; null when none were requested.</summary>
    public static JsonNode? JsonOf(GeneratedText answer, HuggingFaceTokenizer tokenizer) =>
        Of(answer, tokenizer) is { } lines ? JsonSerializer.SerializeToNode(lines, s_line) : null;

    /// <summary>Formats the line for people: the token, its ln p, then the others.</summary>
    public override string ToString() => $"{One(this),-24}{(Top is null ? "" : string.Join("  ", Top.Select(One)))}".TrimEnd();

    private static string One(TokenLine token) => token.LogProbability is { } log
        ? string.Create(CultureInfo.InvariantCulture, $"{Quoted(token.Text)} {log:0.000}")
        : Quoted(token.Text);

    private static string Quoted(string text) => JsonSerializer.Serialize(text, s_text);

    private static readonly JsonSerializerOptions s_line = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private static readonly JsonSerializerOptions s_text = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
