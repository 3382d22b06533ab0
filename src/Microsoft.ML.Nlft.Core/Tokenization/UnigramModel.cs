namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Implements the unigram language model (Kudo 2018, arXiv 1804.10959): of all ways to divide a piece into tokens takes the one whose scores sum
/// to the most (Viterbi). A character that no token begins with costs ten more than the rarest token; a run of them is one unknown text, which
/// becomes the tokens of its bytes or one unknown token. Thread-safe.
/// </summary>
internal sealed class UnigramModel : ITokenModel
{
    private const double UnknownPenalty = 10;

    private readonly Vocabulary _vocabulary;
    private readonly double[] _scores;
    private readonly int? _unknown;
    private readonly ByteTokens? _bytes;
    private readonly double _unknownScore;
    private readonly PrefixTree _tree = new();

    /// <summary>Creates the model.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="scores">The log-probability of each id.</param>
    /// <param name="unknown">The id of the unknown token; null: a text with an unknown character is refused.</param>
    /// <param name="byteFallback">Whether unknown text becomes the tokens <c>&lt;0xNN&gt;</c> of its UTF-8 bytes.</param>
    public UnigramModel(Vocabulary vocabulary, double[] scores, int? unknown, bool byteFallback)
    {
        (_vocabulary, _scores, _unknown) = (vocabulary, scores, unknown);
        _bytes = byteFallback ? new ByteTokens(vocabulary) : null;
        _unknownScore = scores.Min() - UnknownPenalty;
        foreach (var (token, id) in vocabulary.Entries) _tree.Add(token, id);
    }

    public PieceTokens Tokenize(string piece)
    {
        var (ids, starts, ends) = (new List<int>(), new List<int>(), new List<int>());
        foreach (var (start, end, id) in Segments(piece))
        {
            foreach (var token in id == _unknown ? OfUnknown(piece.AsSpan(start, end - start)) : [id])
            {
                ids.Add(token);
                starts.Add(start);
                ends.Add(end);
            }
        }

        return new PieceTokens([.. ids], [.. starts], [.. ends]);
    }

    private int[] OfUnknown(ReadOnlySpan<char> text) =>
        _vocabulary[text] is var id and >= 0 ? [id] : _bytes?.Of(text) ?? [_unknown!.Value];

    /// <summary>Follows the best path back from the end and joins neighbouring unknown characters.</summary>
    private List<(int Start, int End, int Id)> Segments(string piece)
    {
        var path = BestPath(piece);
        var segments = new List<(int Start, int End, int Id)>();
        for (var end = piece.Length; end > 0; end = path[end].Start)
        {
            var (start, id) = (path[end].Start, path[end].Id);
            if (id == _unknown && segments.Count > 0 && segments[^1].Id == _unknown) segments[^1] = segments[^1] with { Start = start };
            else segments.Add((start, end, id));
        }

        segments.Reverse();
        return segments;
    }

    /// <summary>Returns, for every position, the last token of the best division of the text before it; of equal ones, the longest token.</summary>
    private Node[] BestPath(string piece)
    {
        var best = new Node[piece.Length + 1];
        Array.Fill(best, new Node(0, -1, -1), 1, piece.Length);
        for (var start = 0; start < piece.Length;)
        {
            var character = char.IsHighSurrogate(piece[start]) ? 2 : 1;
            var isKnown = false;
            for (int end = start, node = 0; end < piece.Length && (node = _tree.Next(node, piece[end])) >= 0;)
            {
                end++;
                if (_tree.IdAt(node) is not (var id and >= 0)) continue;

                Offer(start, end, id, _scores[id]);
                isKnown |= end == start + character;
            }

            if (!isKnown) Offer(start, start + character, _unknown ?? throw Unknown(piece, start, character), _unknownScore);

            start += character;
        }

        return best;

        void Offer(int start, int end, int id, double score)
        {
            score += best[start].Score;
            if (best[end].Start < 0 || score > best[end].Score) best[end] = new Node(score, start, id);
        }
    }

    private static NlftException Unknown(string piece, int start, int length) => new(
        "tokenizer.json, \"model.unk_id\"",
        $"no unknown token, and a text with \"{piece.AsSpan(start, length)}\"",
        "the index of a token of model.vocab",
        "Correct the file, or download it again.");

    private readonly record struct Node(double Score, int Start, int Id);
}
