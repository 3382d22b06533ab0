using System.Buffers;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>A token that is matched in the text before the model sees it.</summary>
/// <param name="Id">The token's id.</param>
/// <param name="Content">The token's text.</param>
/// <param name="SingleWord">Whether it matches only where no word character is next to it.</param>
/// <param name="StripLeft">Whether the match includes the white space before it.</param>
/// <param name="StripRight">Whether the match includes the white space after it.</param>
/// <param name="IsNormalized">Whether its normalized text is matched in the normalized text; otherwise it is matched in the input text.</param>
/// <param name="IsSpecial">Whether decoding can leave it out.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord, bool StripLeft, bool StripRight, bool IsNormalized, bool IsSpecial);

/// <summary>Finds added tokens in text: the leftmost first, the longest of those that start at the same position.</summary>
internal sealed class AddedTokens
{
    private readonly Dictionary<char, (string Pattern, AddedToken Token)[]> _byFirst;
    private readonly SearchValues<char> _firsts;

    /// <summary>Creates the matcher.</summary>
    /// <param name="tokens">Tokens with the text to match; of several with the same text the first wins.</param>
    public AddedTokens(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        _byFirst = tokens
            .Where(t => t.Pattern.Length > 0)
            .DistinctBy(t => t.Pattern, StringComparer.Ordinal)
            .GroupBy(t => t.Pattern[0])
            .ToDictionary(group => group.Key, group => group.OrderByDescending(t => t.Pattern.Length).ToArray());
        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    /// <summary>Splits a fragment into added tokens and the text between them.</summary>
    /// <param name="fragment">The fragment.</param>
    /// <param name="plainText">Ranges of the input text that no added token may overlap.</param>
    /// <param name="pieces">Receives the pieces; none is empty.</param>
    public void Split(Fragment fragment, IReadOnlyList<(int Start, int End)> plainText, List<Fragment> pieces)
    {
        var text = fragment.Text;
        var done = 0;
        for (var i = 0; Find(fragment, i, plainText) is var (start, length, token) && token is not null; i = start + length)
        {
            var end = start + length;
            if (token.SingleWord && (IsWordBefore(text, start) || IsWordAt(text, end))) continue;

            var from = start;
            while (token.StripLeft && from > done && char.IsWhiteSpace(text[from - 1])) from--;

            while (token.StripRight && end < text.Length && char.IsWhiteSpace(text[end])) end++;

            if (done < from) pieces.Add(fragment.Slice(done, from));

            pieces.Add(fragment.Slice(from, end).AsToken(token.Id));
            done = end;
        }

        if (done < text.Length) pieces.Add(fragment.Slice(done, text.Length));
    }

    private (int Start, int Length, AddedToken? Token) Find(Fragment fragment, int from, IReadOnlyList<(int Start, int End)> plainText)
    {
        var text = fragment.Text;
        for (var i = from; i < text.Length; i++)
        {
            var skipped = text.AsSpan(i).IndexOfAny(_firsts);
            if (skipped < 0) break;

            i += skipped;
            foreach (var (pattern, token) in _byFirst[text[i]])
            {
                if (text.AsSpan(i).StartsWith(pattern, StringComparison.Ordinal) && !Overlaps(fragment, i, i + pattern.Length, plainText))
                {
                    return (i, pattern.Length, token);
                }
            }
        }

        return default;
    }

    private static bool Overlaps(Fragment fragment, int start, int end, IReadOnlyList<(int Start, int End)> plainText)
    {
        if (plainText.Count == 0) return false;

        var (first, last) = (fragment.StartOf(start), fragment.EndOf(end - 1));
        return plainText.Any(range => first < range.End && range.Start < last);
    }

    private static bool IsWordBefore(string text, int end) =>
        end > 0 && Rune.DecodeLastFromUtf16(text.AsSpan(0, end), out var rune, out _) == OperationStatus.Done && RuneClass.IsWord(rune);

    private static bool IsWordAt(string text, int start) =>
        start < text.Length && Rune.DecodeFromUtf16(text.AsSpan(start), out var rune, out _) == OperationStatus.Done && RuneClass.IsWord(rune);
}
