using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>Escapes user text for YAML, Markdown and code, so that any text remains a single value.</summary>
internal static class CardText
{
    /// <summary>
    /// Quotes a text on one line. The escapes (\\, \", \uXXXX, \UXXXXXXXX) mean the same in YAML, C# and Python. Characters that are not printable
    /// are escaped; a lone surrogate becomes U+FFFD.
    /// </summary>
    public static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is '"' or '\\') quoted.Append('\\').Append((char)rune.Value);
            else if (IsPrintable(rune)) quoted.Append(rune);
            else quoted.Append(rune.IsBmp ? "\\u" : "\\U").Append(rune.Value.ToString(rune.IsBmp ? "X4" : "X8", CultureInfo.InvariantCulture));
        }
        return quoted.Append('"').ToString();
    }

    /// <summary>
    /// Formats a text as a Markdown code span on one line, fenced by more backticks than it contains in a row. Vertical bars are escaped for table
    /// cells.
    /// </summary>
    public static string Code(string text)
    {
        var line = new StringBuilder();
        int run = 0, longest = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            longest = Math.Max(longest, run = rune.Value == '`' ? run + 1 : 0);
            if (rune.Value == '|') line.Append('\\');
            if (IsPrintable(rune)) line.Append(rune);
            else line.Append(' ');
        }
        var fence = new string('`', longest + 1);
        var blank = string.IsNullOrWhiteSpace(line.ToString());
        return blank ? "(empty)" : longest > 0 || char.IsWhiteSpace(line[0]) ? $"{fence} {line} {fence}" : $"{fence}{line}{fence}";
    }

    /// <summary>Returns whether a character is printable in YAML and is neither a line break nor a mark that changes the text direction.</summary>
    private static bool IsPrintable(Rune rune) => (rune.Value & 0xFFFE) != 0xFFFE && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Format
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse);
}
