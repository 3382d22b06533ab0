using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Gives the bytes that each token stands for inside a text: those of its text in UTF-8, or the part of a character that it holds. Spaces that a
/// decoder leaves out at the start of a text, or cleans up, stay.
/// </summary>
internal static class TokenBytes
{
    /// <summary>Returns the bytes by id; empty for ids without a token and for special tokens other than those of <paramref name="shown"/>.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="shown">Special tokens whose text counts.</param>
    public static byte[][] Of(HuggingFaceTokenizer tokenizer, IReadOnlySet<string> shown)
    {
        var bytes = new byte[tokenizer.VocabularySize][];
        var stages = tokenizer.Definition.Decoder();
        var (isByteLevel, hasByteTokens) = (stages.Any(stage => stage is ByteLevelStage), stages.Any(stage => stage is ByteFallbackStage));
        var middle = isByteLevel ? null : new Middle(tokenizer);
        var special = tokenizer.SpecialTokens.ToDictionary(token => token.Value, token => token.Key);
        for (var id = 0; id < bytes.Length; id++)
        {
            var token = tokenizer.IdToToken(id);
            bytes[id] = special.TryGetValue(id, out var content) ? (shown.Contains(content) ? Encoding.UTF8.GetBytes(content) : [])
                : token is null ? []
                : isByteLevel ? OfByteLevel(token)
                : hasByteTokens && ByteOf(token) is { } value ? [value]
                : middle!.BytesOf(token);
        }
        return bytes;
    }

    private static byte[] OfByteLevel(string token) => token.All(character => ByteAlphabet.ToByte(character) >= 0)
        ? [.. token.Select(character => (byte)ByteAlphabet.ToByte(character))] : Encoding.UTF8.GetBytes(token);

    private static byte? ByteOf(string token) => token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
        && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value) ? value : null;

    /// <summary>Decodes tokens between two others.</summary>
    private sealed class Middle
    {
        private readonly DecodingStage[] _stages;
        private readonly TextSink _sink = new();
        private readonly TextBudget _budget = new() { Step = "decoder" };
        private readonly string _neighbour, _neighbourText;
        private readonly bool _delays;

        public Middle(HuggingFaceTokenizer tokenizer)
        {
            _stages = [.. tokenizer.Definition.Decoder(), _sink];
            for (var i = 0; i + 1 < _stages.Length; i++) (_stages[i].Next, _stages[i].Budget) = (_stages[i + 1], _budget);
            _neighbour = Enumerable.Range(0, tokenizer.VocabularySize).Select(tokenizer.IdToToken)
                .FirstOrDefault(token => token is { Length: > 0 } && token.All(char.IsAsciiLetter)) ?? "a";
            _delays = Append(_neighbour).Length == 0; // the decoder needs a token's successor: its bytes are not its own
            _neighbourText = Append(_neighbour);
        }

        public byte[] BytesOf(string token)
        {
            var text = Append(token) + Append(_neighbour);
            return !_delays && text.EndsWith(_neighbourText, StringComparison.Ordinal) ? Encoding.UTF8.GetBytes(text[..^_neighbourText.Length]) : [];
        }

        private string Append(string token)
        {
            _budget.Add(token.Length);
            _stages[0].Append(token);
            _stages[0].EndToken();
            return _sink.Take();
        }
    }
}
