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

/// <summary>
/// Finds added tokens in text: the leftmost first, the longest of those that start at the same position. Takes time linear in the text, whatever the
/// tokens are: it reads the text from its end with an automaton of the reversed tokens (A. Aho, M. Corasick, Efficient string matching,
/// Communications of the ACM 18, 1975), which knows at each position the longest token that starts there.
/// </summary>
internal sealed class AddedTokens
{
    private readonly (string Pattern, AddedToken Token)[] _tokens;
    private readonly PrefixTree _reversed = new();
    private readonly int[] _failure; // of a node: the node of the longest proper suffix of its text
    private readonly int[] _longest; // of a node: the longest token that its text ends with, or -1
    private readonly SearchValues<char> _lasts;

    /// <summary>Creates the matcher.</summary>
    /// <param name="tokens">Tokens with the text to match; of several with the same text the first wins.</param>
    public AddedTokens(IEnumerable<(string Pattern, AddedToken Token)> tokens)
    {
        _tokens = [.. tokens.Where(t => t.Pattern.Length > 0).DistinctBy(t => t.Pattern, StringComparer.Ordinal)];
        for (var i = 0; i < _tokens.Length; i++) _reversed.Add(Reverse(_tokens[i].Pattern), i);
        _lasts = SearchValues.Create([.. _tokens.Select(t => t.Pattern[^1]).Distinct()]);
        (_failure, _longest) = (new int[_reversed.Count], new int[_reversed.Count]);
        _longest[0] = -1;
        foreach (var (parent, unit, node) in _reversed.EdgesByDepth())
        {
            _failure[node] = parent == 0 ? 0 : Step(_failure[parent], unit);
            _longest[node] = _reversed.IdAt(node) is var own and >= 0 ? own : _longest[_failure[node]];
        }

        static string Reverse(string text) => string.Create(text.Length, text, static (units, source) =>
        {
            source.CopyTo(units);
            units.Reverse();
        });
    }

    /// <summary>Splits a fragment into added tokens and the text between them.</summary>
    /// <param name="fragment">The fragment.</param>
    /// <param name="plainText">Ranges of the input text that no added token may overlap.</param>
    /// <param name="pieces">Receives the pieces; none is empty.</param>
    public void Split(Fragment fragment, PlainText plainText, List<Fragment> pieces)
    {
        var text = fragment.Text;
        var (done, next) = (0, 0);
        foreach (var (start, token, length) in Matches(fragment, plainText))
        {
            if (start < next) continue;

            var end = next = start + length;
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

    /// <summary>Returns the longest token at every position where one starts, from left to right.</summary>
    private Stack<(int Start, AddedToken Token, int Length)> Matches(Fragment fragment, PlainText plainText)
    {
        var (text, found, node) = (fragment.Text, new Stack<(int, AddedToken, int)>(), 0);
        for (var i = text.Length - 1; i >= 0; i--)
        {
            // A token that overlaps plain text does so with one of its characters, or between two of them.
            if (node != 0 && plainText.Overlaps(fragment.StartOf(i), fragment.EndOf(i + 1))) node = 0;
            if (node == 0)
            {
                i = text.AsSpan(0, i + 1).LastIndexOfAny(_lasts);
                if (i < 0) break;
            }

            node = plainText.Overlaps(fragment.StartOf(i), fragment.EndOf(i)) ? 0 : Step(node, text[i]);
            if (_longest[node] is var token and >= 0) found.Push((i, _tokens[token].Token, _tokens[token].Pattern.Length));
        }

        return found;
    }

    private int Step(int node, char unit)
    {
        while (node != 0 && _reversed.Next(node, unit) < 0) node = _failure[node];
        return Math.Max(_reversed.Next(node, unit), 0);
    }

    private static bool IsWordBefore(string text, int end) =>
        end > 0 && Rune.DecodeLastFromUtf16(text.AsSpan(0, end), out var rune, out _) == OperationStatus.Done && RuneClass.IsWord(rune);

    private static bool IsWordAt(string text, int start) =>
        start < text.Length && Rune.DecodeFromUtf16(text.AsSpan(start), out var rune, out _) == OperationStatus.Done && RuneClass.IsWord(rune);
}
