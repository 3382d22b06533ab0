using System.Text;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>The log-probabilities of an answer's tokens, as chat completions have them.</summary>
internal sealed record TokenLogprobs(IReadOnlyList<TokenLogprob> Content)
{
    /// <summary>Returns the log-probabilities of an answer; null when they were not requested.</summary>
    public static TokenLogprobs? Of(GeneratedText? answer, HuggingFaceTokenizer tokenizer)
    {
        if (answer?.LogProbabilities is not { } logs) return null;
        return new([.. answer.Tokens.Select((token, i) => Entry(token, logs[i],
            answer.TopLogProbabilities?[i].Select(other => Entry(other.Token, other.LogProbability, null)).ToArray() ?? []))]);

        TokenLogprob Entry(int token, double log, IReadOnlyList<TokenLogprob>? top)
        {
            var shown = tokenizer.Decode([token], skipSpecialTokens: false);
            return new(shown, log, shown.Contains('\uFFFD') ? null : [.. Encoding.UTF8.GetBytes(shown).Select(value => (int)value)], top);
        }
    }
}

/// <summary>A token; its UTF-8 bytes are null when it is part of a character.</summary>
internal sealed record TokenLogprob(
    string Token, double Logprob, IReadOnlyList<int>? Bytes,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<TokenLogprob>? TopLogprobs);

/// <summary>The log-probabilities of an answer's tokens, as text completions have them.</summary>
/// <param name="Tokens">The tokens as texts.</param>
/// <param name="TokenLogprobs">ln p of each.</param>
/// <param name="TopLogprobs">The likeliest tokens at each position; null when none were requested.</param>
/// <param name="TextOffset">Where each token begins in the texts of the tokens, joined.</param>
internal sealed record TextLogprobs(IReadOnlyList<string> Tokens, IReadOnlyList<double> TokenLogprobs,
    IReadOnlyList<IReadOnlyDictionary<string, double>>? TopLogprobs, IReadOnlyList<int> TextOffset)
{
    /// <summary>Returns the log-probabilities of an answer; null when they were not requested.</summary>
    public static TextLogprobs? Of(GeneratedText? answer, HuggingFaceTokenizer tokenizer)
    {
        if (answer?.LogProbabilities is not { } logs) return null;
        string[] tokens = [.. answer.Tokens.Select(Shown)];
        var offsets = new int[tokens.Length];
        for (var i = 1; i < tokens.Length; i++) offsets[i] = offsets[i - 1] + tokens[i - 1].Length;
        return new(tokens, logs, answer.TopLogProbabilities is { } all ? [.. all.Select(Named)] : null, offsets);

        string Shown(int token) => tokenizer.Decode([token], skipSpecialTokens: false);

        // Parts of characters look alike; the likeliest stands for them.
        Dictionary<string, double> Named(IReadOnlyList<TokenLogProbability> top) =>
            top.GroupBy(other => Shown(other.Token)).ToDictionary(alike => alike.Key, alike => alike.First().LogProbability);
    }
}
