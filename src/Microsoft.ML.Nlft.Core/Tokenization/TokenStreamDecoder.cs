namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Turns token ids into text as they come, for streaming. What depends on later tokens (the bytes of an unfinished character, above all)
/// is held back: the texts of all <see cref="Append"/> calls and of <see cref="Finish"/> together are exactly
/// <see cref="HuggingFaceTokenizer.Decode(ReadOnlySpan{int}, bool)"/> of all ids. For one stream and one thread.
/// </summary>
public sealed class TokenStreamDecoder
{
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly DecodingStage[] _stages;
    private readonly TextSink _sink = new();

    /// <summary>Begins a stream.</summary>
    /// <param name="tokenizer">The tokenizer whose ids will come.</param>
    /// <param name="skipSpecialTokens">Whether special tokens leave no text.</param>
    public TokenStreamDecoder(HuggingFaceTokenizer tokenizer, bool skipSpecialTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (_tokenizer, _skipSpecialTokens) = (tokenizer, skipSpecialTokens);
        _stages = [.. tokenizer.CreateDecodingStages()];
        for (var i = 0; i < _stages.Length; i++) _stages[i].Next = i + 1 < _stages.Length ? _stages[i + 1] : _sink;
    }

    /// <summary>Whether text of earlier ids is being held back.</summary>
    public bool HoldsText => _stages.Any(stage => stage.HoldsText);

    /// <summary>Adds a token.</summary>
    /// <param name="id">Its id; an id without a token leaves no text, as with Hugging Face.</param>
    /// <returns>The text that is now certain; often empty.</returns>
    public string Append(int id)
    {
        if (_tokenizer.IdToToken(id) is { } token && !(_skipSpecialTokens && _tokenizer.SpecialTokens.ContainsKey(token)))
        {
            _stages[0].Part(token);
            _stages[0].EndToken();
        }

        return _sink.Take();
    }

    /// <summary>Ends the stream.</summary>
    /// <returns>The text held back: an unfinished character as U+FFFD.</returns>
    public string Finish()
    {
        _stages[0].Finish();
        return _sink.Take();
    }
}
