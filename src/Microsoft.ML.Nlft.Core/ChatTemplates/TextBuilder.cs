using System.Text;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Builds a text within a budget: every addition is counted before it is made.</summary>
internal sealed class TextBuilder(RenderBudget budget)
{
    private readonly StringBuilder _text = new();

    public int Length => _text.Length;

    public TextBuilder Append(ReadOnlySpan<char> text)
    {
        budget.CountCharacters((long)_text.Length + text.Length, _text.Length);
        _text.Append(text);
        return this;
    }

    public TextBuilder Append(char c) => Append([c]);

    public TextBuilder Append(Rune rune)
    {
        Span<char> characters = stackalloc char[2];
        return Append(characters[..rune.EncodeToUtf16(characters)]);
    }

    /// <summary>Returns the text, and counts the copy.</summary>
    public override string ToString()
    {
        budget.Touch(_text.Length);
        return _text.ToString();
    }
}
