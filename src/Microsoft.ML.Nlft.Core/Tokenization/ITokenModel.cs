namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>The tokens of a piece of text: ids, and start and end (exclusive) of each in UTF-16 units of the piece.</summary>
internal readonly record struct PieceTokens(int[] Ids, int[] Starts, int[] Ends);

/// <summary>The model of a tokenizer: turns pieces of text into tokens. Thread-safe.</summary>
internal interface ITokenModel
{
    /// <summary>Tokenizes a piece.</summary>
    /// <param name="piece">The piece; not empty, without lone surrogates.</param>
    PieceTokens Tokenize(string piece);
}
