using System.Buffers;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>A token found in text before the model sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="SingleWord">Only between characters that belong to no word.</param>
/// <param name="StripLeft">Takes the white space before it along.</param>
/// <param name="StripRight">Takes the white space after it along.</param>
/// <param name="IsNormalized">Looked for, normalized, in normalized text; otherwise as it is in the text as given.</param>
/// <param name="IsSpecial">Left out of decoded text on demand.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord, bool StripLeft, bool StripRight, bool IsNormalized, bool IsSpecial);

/// <summary>Cuts added tokens out of text: leftmost first, the longest of those that begin at one place.</summary>
internal sealed class AddedTokens
{
    private readonly Dictionary<char, (string Pattern, AddedToken Token)[]> _byFirst;
    private readonly SearchValues<char> _firsts;

    /// <param name="tokens">Tokens and the text each is looked for as; the first of several with one text wins.</param>
    public AddedTokens(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        _byFirst = tokens
            .Where(t => t.Pattern.Length > 0)
            .DistinctBy(t => t.Pattern, StringComparer.Ordinal)
            .GroupBy(t => t.Pattern[0])
            .ToDictionary(group => group.Key, group => group.OrderByDescending(t => t.Pattern.Length).ToArray());
        _firsts = SearchValues.Create([.. _byFirst.Keys]);
    }

    /// <summary>Adds the pieces of a fragment: added tokens, and text between them.</summary>
    /// <param name="fragment">Text.</param>
    /// <param name="plainText">Ranges of the original text of which no added token may take a part.</param>
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
                if (text.AsSpan(i).StartsWith(pattern, StringComparison.Ordinal) && !Touches(fragment, i, i + pattern.Length, plainText))
                {
                    return (i, pattern.Length, token);
                }
            }
        }

        return default;
    }

    private static bool Touches(Fragment fragment, int start, int end, IReadOnlyList<(int Start, int End)> plainText)
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
