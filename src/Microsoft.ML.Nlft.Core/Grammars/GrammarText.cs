using System.Text;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>One text that is written token by token by the rules of a grammar.</summary>
internal sealed class GrammarText(Grammar grammar, TokenTrie tokens)
{
    private readonly Decoder _utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false).GetDecoder();
    private readonly MemberNames _names = new();
    private Expression _state = grammar.Start;

    /// <summary>Gets whether the text may end here.</summary>
    public bool MayEnd => _state.MatchesEmpty;

    /// <summary>Gets whether the text is complete and nothing can follow.</summary>
    public bool IsComplete => _state.MatchesEmpty && !grammar.Continues(_state);

    /// <summary>Excludes, as minus infinity, the tokens that may not come next.</summary>
    /// <param name="logits">One value per id.</param>
    /// <param name="stopIds">Tokens that end the text.</param>
    public void Restrict(Span<float> logits, IReadOnlySet<int> stopIds)
    {
        var allowed = grammar.Allowed(_state, tokens);
        for (var id = 0; id < logits.Length; id++)
        {
            var fits = stopIds.Contains(id) ? MayEnd
                : id >> 6 < allowed.Length && (allowed[id >> 6] >> (id & 63) & 1) != 0 && !_names.WouldRepeat(tokens.BytesOf(id));
            if (!fits) logits[id] = float.NegativeInfinity;
        }
    }

    /// <summary>Appends a token that is not a stop token.</summary>
    /// <returns>The text that is now certain.</returns>
    public string Append(int token)
    {
        var bytes = tokens.BytesOf(token);
        _state = grammar.After(_state, bytes) ?? throw new InvalidOperationException("The token does not fit the grammar.");
        _names.Append(bytes);
        return Decode(bytes, flush: false);
    }

    /// <summary>Ends the text; an unfinished character becomes U+FFFD.</summary>
    public string Finish() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        var characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Length + 3)];
        return new string(characters, 0, _utf8.GetChars(bytes, characters, flush));
    }
}
