using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>The tokens of a piece of text: ids, and start and end (exclusive) of each in UTF-16 units of the piece.</summary>
internal readonly record struct PieceTokens(int[] Ids, int[] Starts, int[] Ends);

/// <summary>Options of a <see cref="BytePairModel"/>.</summary>
/// <param name="UnknownToken">The token of an unknown character; null drops unknown characters.</param>
/// <param name="FuseUnknown">Whether consecutive unknown characters become one token.</param>
/// <param name="ByteFallback">Whether an unknown character becomes the tokens <c>&lt;0xNN&gt;</c> of its UTF-8 bytes.</param>
/// <param name="IgnoreMerges">Whether a piece that is a token becomes that token without any merges.</param>
internal sealed record BytePairOptions(string? UnknownToken, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges);

/// <summary>
/// Implements byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909): starts from characters and repeatedly applies the merge of lowest
/// rank, leftmost first, until none applies. Thread-safe.
/// </summary>
internal sealed class BytePairModel
{
    private const int CacheCapacity = 1 << 15;
    private const int MaximumCachedLength = 256;
    private const int ByteCount = 256;

    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<(int Left, int Right), (int Rank, int Id)> _merges;
    private readonly BytePairOptions _options;
    private readonly int[] _byteIds;
    private readonly ConcurrentDictionary<string, PieceTokens> _cache = new(StringComparer.Ordinal);
    private int _cached;

    /// <summary>Creates the model.</summary>
    /// <param name="vocabulary">The tokens.</param>
    /// <param name="merges">Rank and resulting id by pair of ids.</param>
    /// <param name="options">Treatment of unknown characters and whole tokens.</param>
    public BytePairModel(Vocabulary vocabulary, Dictionary<(int Left, int Right), (int Rank, int Id)> merges, BytePairOptions options)
    {
        (_vocabulary, _merges, _options) = (vocabulary, merges, options);
        _byteIds = new int[ByteCount];
        for (var b = 0; b < ByteCount; b++) _byteIds[b] = vocabulary[string.Create(CultureInfo.InvariantCulture, $"<0x{b:X2}>")];
    }

    /// <summary>Tokenizes a piece. Short pieces are cached.</summary>
    public PieceTokens Tokenize(string piece)
    {
        if (_options.IgnoreMerges && _vocabulary[piece] is var whole and >= 0) return new PieceTokens([whole], [0], [piece.Length]);

        if (_cache.TryGetValue(piece, out var known)) return known;

        var tokens = Merge(Characters(piece));
        if (piece.Length <= MaximumCachedLength && Volatile.Read(ref _cached) < CacheCapacity && _cache.TryAdd(piece, tokens))
        {
            Interlocked.Increment(ref _cached);
        }

        return tokens;
    }

    private List<Symbol> Characters(string piece)
    {
        var symbols = new List<Symbol>(piece.Length);
        Symbol? unknown = null;
        Span<byte> utf8 = stackalloc byte[4];
        for (var i = 0; i < piece.Length;)
        {
            var rune = Rune.GetRuneAt(piece, i);
            var (start, end) = (i, i + rune.Utf16SequenceLength);
            i = end;
            if (_vocabulary[piece.AsSpan(start, end - start)] is var id and >= 0)
            {
                EmitUnknown();
                symbols.Add(new Symbol(id, start, end));
            }
            else if (!(_options.ByteFallback && TryAddBytes(utf8[..rune.EncodeToUtf8(utf8)], start, end)) && _options.UnknownToken is not null)
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

        bool TryAddBytes(ReadOnlySpan<byte> bytes, int start, int end)
        {
            foreach (var b in bytes)
            {
                if (_byteIds[b] < 0) return false;
            }

            foreach (var b in bytes) symbols.Add(new Symbol(_byteIds[b], start, end));

            return true;
        }
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
