using System.Text;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Generation;

namespace ChatServer;

/// <summary>The log-probabilities of an answer's tokens on the wire.</summary>
internal sealed record TokenLogprobs(IReadOnlyList<TokenLogprobs.Entry> Content)
{
    /// <summary>A token; its UTF-8 bytes, as numbers, are null when it is no whole character.</summary>
    internal sealed record Entry(
        string Token, double Logprob, IReadOnlyList<int>? Bytes, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<Entry>? TopLogprobs);

    /// <summary>Those of an answer; null when they were not asked for.</summary>
    public static TokenLogprobs? Of(object? answer, LocalModel? model)
    {
        if (answer is not GeneratedText { LogProbabilities: { } logs } text || model is null) return null;
        return new([.. text.Tokens.Select((token, i) => ToEntry(token, logs[i],
            text.TopLogProbabilities?[i].Select(other => ToEntry(other.Token, other.LogProbability, null)).ToArray() ?? []))]);

        Entry ToEntry(int token, double log, IReadOnlyList<Entry>? top)
        {
            var shown = model.Tokenizer.Decode([token], skipSpecialTokens: false);
            return new(shown, log, shown.Contains('\uFFFD') ? null : [.. Encoding.UTF8.GetBytes(shown).Select(value => (int)value)], top);
        }
    }
}
