using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Finds the matches of a pattern in a text: disjoint and in order. An empty match marks a split between two characters.</summary>
internal interface IMatcher
{
    /// <summary>Adds the matches to a list.</summary>
    /// <param name="text">The text.</param>
    /// <param name="matches">Receives the matches.</param>
    /// <param name="budget">Limits the time.</param>
    /// <exception cref="NlftException">The budget is used up.</exception>
    void Find(string text, List<(int Start, int End)> matches, TextBudget budget);
}

/// <summary>Matches every single character that has a property.</summary>
internal sealed class RuneMatcher(Func<Rune, bool> property) : IMatcher
{
    public void Find(string text, List<(int Start, int End)> matches, TextBudget budget)
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
    public void Find(string text, List<(int Start, int End)> matches, TextBudget budget)
    {
        var search = new TextSearch(text, literal);
        for (int i = 0, found; (found = search.Next(i)) >= 0; i = found + literal.Length)
        {
            matches.Add((found, found + literal.Length));
        }
    }
}

/// <summary>Matches <c>\w+|[^\w\s]+</c>: runs of word characters and runs of symbols.</summary>
internal sealed class WordOrSymbolMatcher : IMatcher
{
    public void Find(string text, List<(int Start, int End)> matches, TextBudget budget)
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
