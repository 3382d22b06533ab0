namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>What a tokenizer.json says, read and checked.</summary>
internal sealed record TokenizerDefinition
{
    public required Vocabulary Vocabulary { get; init; }

    public required BytePairModel Model { get; init; }

    public required IReadOnlyList<AddedToken> AddedTokens { get; init; }

    /// <summary>Null when the text is taken as it is.</summary>
    public required INormalizer? Normalizer { get; init; }

    /// <summary>Null when the text is one piece.</summary>
    public required IPreTokenizer? PreTokenizer { get; init; }

    public required PostProcessing PostProcessing { get; init; }

    /// <summary>Creates the decoder's stages, in order; they hold the state of one decoding.</summary>
    public required Func<IReadOnlyList<DecodingStage>> Decoder { get; init; }
}

/// <summary>Ids put around the ids of a text.</summary>
/// <param name="Before">Ids before.</param>
/// <param name="After">Ids after.</param>
internal sealed record PostProcessing(int[] Before, int[] After)
{
    public static PostProcessing None { get; } = new([], []);
}
