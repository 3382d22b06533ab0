using System.Text;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Splits words as the patterns of GPT-2, Llama 3 and Qwen do, without a regular-expression engine and over whole Unicode characters. The
/// alternatives, tried in order at each position (L letter, N number, O neither of them nor white space):
/// <code>
///            GPT-2                  Llama 3 (cl100k), Qwen
/// contraction 's 't 're 've 'm 'll 'd   the same, in any case
/// letters    space? L+              [^\r\n L N]? L+
/// numbers    space? N+              N{1,3}, Qwen N
/// other      space? O+              space? O+ [\r\n]*
/// newlines                          \s* [\r\n]+
/// spaces     \s+ (?!\S), then \s+   the same
/// </code>
/// Every character matches one of them, so the matches cover the text.
/// </summary>
internal sealed class WordMatcher : IMatcher
{
    public const string Gpt2Pattern = GgufPreTokenizer.Gpt2;
    public const string Llama3Pattern = GgufPreTokenizer.Llama3;
    public const string QwenPattern = GgufPreTokenizer.Qwen2;

    private readonly bool _isGpt2;
    private readonly int _longestNumber;

    private WordMatcher(bool isGpt2, int longestNumber) => (_isGpt2, _longestNumber) = (isGpt2, longestNumber);

    public static WordMatcher Gpt2 { get; } = new(isGpt2: true, int.MaxValue);

    /// <summary>Returns the matcher of a pattern that equals one of the three, or null.</summary>
    public static WordMatcher? ForPattern(string pattern) => pattern switch
    {
        Gpt2Pattern => Gpt2,
        Llama3Pattern => new WordMatcher(isGpt2: false, longestNumber: 3),
        QwenPattern => new WordMatcher(isGpt2: false, longestNumber: 1),
        _ => null,
    };

    public void Find(string text, List<(int Start, int End)> matches, TextBudget budget)
    {
        for (var i = 0; i < text.Length;)
        {
            var end = EndOfMatch(text, i);
            matches.Add((i, end));
            i = end;
        }
    }

    private int EndOfMatch(string text, int start)
    {
        if (text[start] == '\'' && EndOfContraction(text, start) is var contraction && contraction > start) return contraction;

        var first = At(text, start);
        var second = At(text, start + first.Length);
        if (first.Kind == Kind.Letter || (second.Kind == Kind.Letter && CanPrecedeLetters(first)))
        {
            return EndOfRun(text, start + first.Length, Kind.Letter);
        }

        if (first.Kind == Kind.Number) return EndOfRun(text, start + first.Length, Kind.Number, _longestNumber - 1);

        if (_isGpt2 && first.IsBlank && second.Kind == Kind.Number) return EndOfRun(text, start + first.Length, Kind.Number);

        if (first.Kind == Kind.Other || (first.IsBlank && second.Kind == Kind.Other))
        {
            var end = EndOfRun(text, start + first.Length, Kind.Other);
            while (!_isGpt2 && end < text.Length && text[end] is '\r' or '\n') end++;

            return end;
        }

        return EndOfSpaces(text, start, EndOfRun(text, start, Kind.Space));
    }

    private bool CanPrecedeLetters(Character first) =>
        _isGpt2 ? first.IsBlank : first.Kind is Kind.Other || (first.Kind is Kind.Space && !first.IsNewline);

    private int EndOfSpaces(string text, int start, int end)
    {
        var newline = _isGpt2 ? -1 : text.AsSpan(start, end - start).LastIndexOfAny('\r', '\n');
        if (newline >= 0) return start + newline + 1;

        // \s+(?!\S) leaves the last one to what follows, unless it is alone. White space is never a surrogate pair.
        return end == text.Length || end - start == 1 ? end : end - 1;
    }

    private int EndOfContraction(string text, int start)
    {
        var first = Letter(start + 1);
        if (first is 's' or 't' or 'm' or 'd') return start + 2;

        return (first, Letter(start + 2)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? start + 3 : start;

        // A case-insensitive Unicode match takes U+017F, the long s, for an s.
        char Letter(int i) =>
            i >= text.Length ? '\0'
            : _isGpt2 ? text[i]
            : text[i] == '\u017F' ? 's'
            : char.ToLowerInvariant(text[i]) is var c and < '\u0080' ? c : '\0';
    }

    private static int EndOfRun(string text, int i, Kind kind, int atMost = int.MaxValue)
    {
        for (; i < text.Length && atMost > 0 && At(text, i) is var next && next.Kind == kind; i += next.Length, atMost--)
        {
        }

        return i;
    }

    private static Character At(string text, int i)
    {
        if (i >= text.Length) return new Character(Kind.None, 0, '\0');

        var rune = Rune.GetRuneAt(text, i);
        var kind = RuneClass.IsLetter(rune) ? Kind.Letter
            : RuneClass.IsNumber(rune) ? Kind.Number
            : RuneClass.IsSpace(rune) ? Kind.Space : Kind.Other;
        return new Character(kind, rune.Utf16SequenceLength, text[i]);
    }

    private enum Kind
    {
        None,
        Letter,
        Number,
        Space,
        Other,
    }

    private readonly record struct Character(Kind Kind, int Length, char Unit)
    {
        public bool IsBlank => Unit == ' ';

        public bool IsNewline => Unit is '\r' or '\n';
    }
}
