using System.Text;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Generation;

namespace ChatServer;

/// <summary>The log-probabilities of an answer's tokens in the wire format.</summary>
internal sealed record TokenLogprobs(IReadOnlyList<TokenLogprobs.Entry> Content)
{
    /// <summary>A token; its UTF-8 bytes are null when it is part of a character.</summary>
    internal sealed record Entry(
        string Token, double Logprob, IReadOnlyList<int>? Bytes,
        [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<Entry>? TopLogprobs);

    /// <summary>Returns the log-probabilities of an answer; null when they were not requested.</summary>
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
