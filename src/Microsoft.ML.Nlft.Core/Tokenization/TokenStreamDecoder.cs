namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Decodes token ids to text one by one, for streaming. Text that depends on later tokens, such as the bytes of an unfinished character, is
/// held back. The texts of all <see cref="Append"/> calls and of <see cref="Finish"/>, joined, equal
/// <see cref="HuggingFaceTokenizer.Decode(ReadOnlySpan{int}, bool)"/> of all ids. Serves one stream; not thread-safe.
/// </summary>
public sealed class TokenStreamDecoder
{
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly bool _skipSpecialTokens;
    private readonly IReadOnlySet<string>? _shown;
    private readonly DecodingStage[] _stages;
    private readonly TextSink _sink = new();
    private readonly TextBudget _budget = new() { Step = "decoder" };

    /// <summary>Starts a stream.</summary>
    /// <param name="tokenizer">The tokenizer of the ids.</param>
    /// <param name="skipSpecialTokens">Whether to leave special tokens out of the text.</param>
    public TokenStreamDecoder(HuggingFaceTokenizer tokenizer, bool skipSpecialTokens) : this(tokenizer, skipSpecialTokens, shown: null)
    {
    }

    /// <summary>Starts a stream that shows some special tokens.</summary>
    /// <param name="tokenizer">As above.</param>
    /// <param name="skipSpecialTokens">As above.</param>
    /// <param name="shown">Special tokens that stay in the text; null: none.</param>
    internal TokenStreamDecoder(HuggingFaceTokenizer tokenizer, bool skipSpecialTokens, IReadOnlySet<string>? shown)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (_tokenizer, _skipSpecialTokens, _shown) = (tokenizer, skipSpecialTokens, shown);
        _stages = [.. tokenizer.CreateDecodingStages(), _sink]; // a file may name no step
        for (var i = 0; i + 1 < _stages.Length; i++) (_stages[i].Next, _stages[i].Budget) = (_stages[i + 1], _budget);
    }

    /// <summary>Gets whether text of earlier ids is held back.</summary>
    public bool HoldsText => _stages.Any(stage => stage.HoldsText);

    /// <summary>Appends a token.</summary>
    /// <param name="id">The token's id. An id without a token is skipped, as by Hugging Face.</param>
    /// <returns>The text that is now certain; often empty.</returns>
    public string Append(int id)
    {
        if (_tokenizer.IdToToken(id) is { } token
            && !(_skipSpecialTokens && _tokenizer.SpecialTokens.ContainsKey(token) && _shown?.Contains(token) != true))
        {
            _budget.Add(token.Length);
            _stages[0].Append(token);
            _stages[0].EndToken();
        }

        return _sink.Take();
    }

    /// <summary>Ends the stream.</summary>
    /// <returns>The text held back so far; an unfinished character becomes U+FFFD.</returns>
    public string Finish()
    {
        _stages[0].Finish();
        return _sink.Take();
    }
}
