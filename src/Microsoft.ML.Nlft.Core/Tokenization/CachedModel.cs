using System.Collections.Concurrent;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Remembers the tokens of another model's short pieces, up to a fixed number of them.</summary>
internal sealed class CachedModel(ITokenModel model) : ITokenModel
{
    private const int Capacity = 1 << 15;
    private const int MaximumLength = 256;

    private readonly ConcurrentDictionary<string, PieceTokens> _known = new(StringComparer.Ordinal);
    private int _count;

    public PieceTokens Tokenize(string piece)
    {
        if (_known.TryGetValue(piece, out var known)) return known;

        var tokens = model.Tokenize(piece);
        if (piece.Length <= MaximumLength && Volatile.Read(ref _count) < Capacity && _known.TryAdd(piece, tokens)) Interlocked.Increment(ref _count);

        return tokens;
    }
}
