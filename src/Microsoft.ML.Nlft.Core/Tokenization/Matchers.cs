using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Finds what a pattern matches in a text: disjoint and in order. A pattern that can match nothing at all marks a cut between two characters.</summary>
internal interface IMatcher
{
    void Find(string text, List<(int Start, int End)> matches);
}

/// <summary>Each character that has a property is a match of its own.</summary>
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

/// <summary>A fixed string.</summary>
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

/// <summary><c>\w+|[^\w\s]+</c>: runs of word characters and runs of anything else that is not white space.</summary>
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
