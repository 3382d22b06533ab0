namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Options of a <see cref="BytePairModel"/>.</summary>
/// <param name="UnknownToken">The token of an unknown character; null drops unknown characters.</param>
/// <param name="FuseUnknown">Whether consecutive unknown characters become one token.</param>
/// <param name="ByteFallback">Whether an unknown character becomes the tokens <c>&lt;0xNN&gt;</c> of its UTF-8 bytes.</param>
/// <param name="IgnoreMerges">Whether a piece that is a token becomes that token without any merges.</param>
/// <param name="ContinuingPrefix">What precedes every character but the first of a piece; "" for nothing.</param>
/// <param name="EndOfWordSuffix">What follows the last character of a piece; "" for nothing.</param>
internal sealed record BytePairOptions(
    string? UnknownToken, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges, string ContinuingPrefix, string EndOfWordSuffix);

/// <summary>
/// Implements byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909): starts from characters and repeatedly applies the merge of lowest
/// rank, leftmost first, until none applies. Thread-safe.
/// </summary>
internal sealed class BytePairModel : ITokenModel
{
    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges;
    private readonly BytePairOptions _options;
    private readonly ByteTokens? _bytes;

    /// <summary>Creates the model.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="merges">Rank and resulting id by pair of ids.</param>
    /// <param name="options">Treatment of unknown characters and whole tokens.</param>
    public BytePairModel(Vocabulary vocabulary, Dictionary<(int Left, int Right), (int Rank, int Id)> merges, BytePairOptions options)
    {
        (_vocabulary, _merges, _options) = (vocabulary, merges, options);
        _bytes = options.ByteFallback ? new ByteTokens(vocabulary) : null;
    }

    public PieceTokens Tokenize(string piece) =>
        _options.IgnoreMerges && _vocabulary[piece] is var whole and >= 0
            ? new PieceTokens([whole], [0], [piece.Length])
            : Merge(Characters(piece));

    private List<Symbol> Characters(string piece)
    {
        var symbols = new List<Symbol>(piece.Length);
        Symbol? unknown = null;
        for (var i = 0; i < piece.Length;)
        {
            var (start, end) = (i, i + (char.IsHighSurrogate(piece[i]) ? 2 : 1));
            i = end;
            var text = Spelling(piece, start, end);
            if (_vocabulary[text] is var id and >= 0)
            {
                EmitUnknown();
                symbols.Add(new Symbol(id, start, end));
            }
            else if (_bytes?.Of(text) is { } bytes)
            {
                // As in Hugging Face, an unknown character before them comes after them.
                foreach (var b in bytes) symbols.Add(new Symbol(b, start, end));
            }
            else if (_options.UnknownToken is not null)
            {
                if (unknown is { } pending && _options.FuseUnknown)
                {
                    unknown = pending with { End = end };
                }
                else
                {
                    EmitUnknown();
                    unknown = new Symbol(UnknownId(), start, end);
                }
            }
        }

        EmitUnknown();
        return symbols;

        void EmitUnknown()
        {
            if (unknown is { } pending)
            {
                symbols.Add(pending);
                unknown = null;
            }
        }
    }

    private ReadOnlySpan<char> Spelling(string piece, int start, int end)
    {
        var prefix = start > 0 ? _options.ContinuingPrefix : "";
        var suffix = end == piece.Length ? _options.EndOfWordSuffix : "";
        var character = piece.AsSpan(start, end - start);
        return prefix.Length + suffix.Length == 0 ? character : string.Concat(prefix, character, suffix);
    }

    private int UnknownId() =>
        _vocabulary[_options.UnknownToken!] is var id and >= 0
            ? id
            : throw new NlftException(
                "tokenizer.json, \"model.unk_token\"",
                $"\"{_options.UnknownToken}\", which the vocabulary lacks, and text that needs it",
                "a token of model.vocab",
                "Correct the file, or download it again.");

    private PieceTokens Merge(List<Symbol> list)
    {
        var symbols = list.ToArray();
        var queue = new PriorityQueue<(int Left, int Id), (int Rank, int Left)>();
        for (var i = 0; i < symbols.Length; i++) (symbols[i].Previous, symbols[i].Next) = (i - 1, i + 1 < symbols.Length ? i + 1 : -1);

        for (var i = 0; i + 1 < symbols.Length; i++) Enqueue(i);

        while (queue.TryDequeue(out var merge, out _))
        {
            ref var left = ref symbols[merge.Left];
            // A queued merge is stale once either side has been merged into another token.
            if (left.IsMerged || left.Next < 0 || !_merges.TryGetValue((left.Id, symbols[left.Next].Id), out var now) || now.Id != merge.Id) continue;

            ref var right = ref symbols[left.Next];
            left.Id = merge.Id;
            (left.Start, left.End) = (Math.Min(left.Start, right.Start), Math.Max(left.End, right.End));
            left.Next = right.Next;
            right.IsMerged = true;
            if (left.Next >= 0)
            {
                symbols[left.Next].Previous = merge.Left;
                Enqueue(merge.Left);
            }

            if (left.Previous >= 0) Enqueue(left.Previous);
        }

        var kept = Array.FindAll(symbols, s => !s.IsMerged);
        return new PieceTokens(Array.ConvertAll(kept, s => s.Id), Array.ConvertAll(kept, s => s.Start), Array.ConvertAll(kept, s => s.End));

        void Enqueue(int left)
        {
            if (_merges.TryGetValue((symbols[left].Id, symbols[symbols[left].Next].Id), out var merge))
            {
                queue.Enqueue((left, merge.Id), (merge.Rank, left));
            }
        }
    }

    /// <summary>A token during merging: id, start and end in the piece, and indices of its neighbours (-1 for none).</summary>
    private record struct Symbol(int Id, int Start, int End)
    {
        public int Previous { get; set; }

        public int Next { get; set; }

        public bool IsMerged { get; set; }
    }
}
