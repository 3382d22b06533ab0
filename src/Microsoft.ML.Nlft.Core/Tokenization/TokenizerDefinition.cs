namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>The validated contents of a tokenizer.json.</summary>
internal sealed record TokenizerDefinition
{
    public required Vocabulary Vocabulary { get; init; }

    public required ITokenModel Model { get; init; }

    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    /// <summary>Null: the text is not normalized.</summary>
    public required INormalizer? Normalizer { get; init; }

    /// <summary>Null: the text is one piece.</summary>
    public required IPreTokenizer? PreTokenizer { get; init; }

    public required PostProcessing PostProcessing { get; init; }

    /// <summary>Creates the decoder's stages in order; each call creates new ones because they hold state.</summary>
    public required Func<IReadOnlyList<DecodingStage>> Decoder { get; init; }

    /// <summary>Whether decoding removes the spaces before English punctuation.</summary>
    public required bool CleansUp { get; init; }
}
