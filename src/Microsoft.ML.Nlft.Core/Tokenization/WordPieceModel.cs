namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Implements WordPiece (Devlin et al. 2018, arXiv 1810.04805): takes the longest token that the rest of the word begins with, again and again. A
/// word that cannot be divided so, or is too long, is one unknown token. Thread-safe.
/// </summary>
/// <param name="vocabulary">The tokens.</param>
/// <param name="unknown">The id of the unknown token; -1: a word that needs it is refused.</param>
/// <param name="continuingPrefix">What every token but the first of a word begins with, for example <c>##</c>.</param>
/// <param name="longestWord">The most Unicode characters of a word that is divided.</param>
internal sealed class WordPieceModel(Vocabulary vocabulary, int unknown, string continuingPrefix, int longestWord) : ITokenModel
{
    public PieceTokens Tokenize(string piece)
    {
        if (piece.EnumerateRunes().Count() > longestWord) return Unknown(piece);

        var (ids, starts, ends) = (new List<int>(), new List<int>(), new List<int>());
        for (var start = 0; start < piece.Length; start = ends[^1])
        {
            var (end, id) = (piece.Length, -1);
            while (end > start && (id = vocabulary[start == 0 ? piece[..end] : continuingPrefix + piece[start..end]]) < 0)
            {
                end -= char.IsLowSurrogate(piece[end - 1]) ? 2 : 1;
            }

            if (id < 0) return Unknown(piece);

            ids.Add(id);
            starts.Add(start);
            ends.Add(end);
        }

        return new PieceTokens([.. ids], [.. starts], [.. ends]);
    }

    private PieceTokens Unknown(string piece) =>
        unknown >= 0
            ? new PieceTokens([unknown], [0], [piece.Length])
            : throw new NlftException(
                "tokenizer.json, \"model.unk_token\"",
                $"no token of the vocabulary, and a text that needs it: \"{piece[..Math.Min(piece.Length, 40)]}\"",
                "a token of model.vocab",
                "Correct the file, or download it again.");
}
