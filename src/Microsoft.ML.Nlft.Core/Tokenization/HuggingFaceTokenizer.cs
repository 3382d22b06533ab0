namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>A tokenizer.json of Hugging Face as a <see cref="Microsoft.ML.Tokenizers.Tokenizer"/>.</summary>
public sealed class HuggingFaceTokenizer // : Microsoft.ML.Tokenizers.Tokenizer
{
    /// <summary>Reads tokenizer.json (and tokenizer_config.json beside it, when there) from a file or a model folder.</summary>
    public static HuggingFaceTokenizer Load(string path) => throw new NotSupportedException();

    /// <summary>Number of ids: one more than the largest.</summary>
    public int VocabularySize => throw new NotSupportedException();

    /// <summary>Content and id of every added token that is special.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens => throw new NotSupportedException();

    /// <summary>bos_token of tokenizer_config.json, or null.</summary>
    public string? BeginningOfSequenceToken => throw new NotSupportedException();

    /// <summary>eos_token of tokenizer_config.json, or null.</summary>
    public string? EndOfSequenceToken => throw new NotSupportedException();

    /// <summary>Token ids of a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens (bos, for example).</param>
    /// <param name="plainText">Ranges of <paramref name="text"/> in which no added token is recognised: text that came from a user.</param>
    public int[] Encode(string text, bool addSpecialTokens, IReadOnlyList<Range>? plainText = null) => throw new NotSupportedException();

    /// <summary>The text of token ids.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens) => throw new NotSupportedException();
}
