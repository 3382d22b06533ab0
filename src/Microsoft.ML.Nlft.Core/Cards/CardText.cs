using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>Texts of users inside YAML, Markdown and code: whatever they hold, they stay one value in its place.</summary>
internal static class CardText
{
    /// <summary>
    /// A text in double quotes on one line. The escapes (\\, \", \uXXXX, \UXXXXXXXX) mean the same in YAML, C# and Python. What cannot be printed
    /// is escaped; half of a surrogate pair becomes U+FFFD.
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
    /// A code span of Markdown, which shows its text as it is: fenced by more backticks than the text has in a row, on one line, and with vertical bars
    /// escaped, as the cells of a table need.
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

    /// <summary>Printable in YAML, and neither a line break of any language nor a mark that turns the direction of what follows.</summary>
    private static bool IsPrintable(Rune rune) => (rune.Value & 0xFFFE) != 0xFFFE && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse);
}
