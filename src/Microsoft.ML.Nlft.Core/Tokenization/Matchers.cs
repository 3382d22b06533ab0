using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Finds the matches of a pattern in a text: disjoint and in order. An empty match marks a split between two characters.</summary>
internal interface IMatcher
{
    /// <summary>Adds the matches to a list.</summary>
    void Find(string text, List<(int Start, int End)> matches);
}

/// <summary>Matches every single character that has a property.</summary>
internal sealed class RuneMatcher(Func<Rune, bool> property) : IMatcher
{
    public void Find(string text, List<(int Start, int End)> matches)
    {
        for (var i = 0; i < text.Length;)
        {
            var rune = Rune.GetRuneAt(text, i);
            if (property(rune)) matches.Add((i, i + rune.Utf16SequenceLength));

            i += rune.Utf16SequenceLength;
        }
    }
}

/// <summary>Matches a fixed string.</summary>
internal sealed class LiteralMatcher(string literal) : IMatcher
{
    public void Find(string text, List<(int Start, int End)> matches)
    {
        for (int i = 0, found; (found = text.IndexOf(literal, i, StringComparison.Ordinal)) >= 0; i = found + literal.Length)
        {
            matches.Add((found, found + literal.Length));
        }
    }
}

/// <summary>Matches <c>\w+|[^\w\s]+</c>: runs of word characters and runs of symbols.</summary>
internal sealed class WordOrSymbolMatcher : IMatcher
{
    public void Find(string text, List<(int Start, int End)> matches)
    {
        var (start, kind) = (0, Kind.Space);
        for (var i = 0; i < text.Length;)
        {
            var rune = Rune.GetRuneAt(text, i);
            var next = RuneClass.IsWord(rune) ? Kind.Word : RuneClass.IsSpace(rune) ? Kind.Space : Kind.Symbol;
            if (next != kind)
            {
                Close(i);
                (start, kind) = (i, next);
            }

            i += rune.Utf16SequenceLength;
        }

        Close(text.Length);

        void Close(int end)
        {
            if (kind != Kind.Space) matches.Add((start, end));
        }
    }

    private enum Kind
    {
        Space,
        Word,
        Symbol,
    }
}
