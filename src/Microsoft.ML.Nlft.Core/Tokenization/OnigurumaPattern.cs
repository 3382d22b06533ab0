using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Translates regular expressions from the syntax of Oniguruma, Hugging Face's engine, to .NET's.</summary>
internal static class OnigurumaPattern
{
    /// <summary>
    /// Oniguruma's word characters: Alphabetic ones, marks, decimal digits and connector punctuation, and the superscripts and fractions of
    /// Latin-1. The <c>\w</c> of .NET lacks some of them.
    /// </summary>
    private const string Word = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9\u00B2\u00B3\u00B9\u00BC-\u00BE";

    /// <summary>
    /// The limit of a translated pattern. .NET keeps the length of a character class in 16 bits, without a check: a class takes two units per
    /// character, up to four more for each of some 2,800 letters that have a case, and alternatives of one character each are joined into a class.
    /// </summary>
    private const int MaximumLength = 24_000;

    /// <summary>Translates a pattern.</summary>
    /// <param name="pattern">The pattern as the file has it.</param>
    /// <param name="unsupported">A construct that .NET would accept with another meaning, or null.</param>
    public static string Translate(string pattern, out string? unsupported)
    {
        unsupported = pattern.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') >= 0 ? "characters beyond U+FFFF"
            : pattern.Contains("&&", StringComparison.Ordinal) ? "class intersections (&&)"
            : pattern.Contains("[:", StringComparison.Ordinal) ? "POSIX classes ([:name:])"
            : null;
        var translated = new StringBuilder();
        var opening = -1;
        for (var i = 0; i < pattern.Length; i++)
        {
            if (translated.Length > MaximumLength)
            {
                unsupported = $"more than {MaximumLength} characters";
                break;
            }

            var isInClass = opening >= 0;
            if (pattern[i] == '\\' && i + 1 < pattern.Length)
            {
                var escape = pattern[++i];
                if (escape is 'h' or 'H' or 'R' or 'X' or 'K' || (escape == 'W' && isInClass))
                {
                    unsupported ??= $"\\{escape}" + (isInClass ? " in a class" : "");
                }

                translated.Append(Escape(escape, isInClass));
                continue;
            }

            if (isInClass && pattern[i] == '[') unsupported ??= "classes in classes";

            // A closing bracket right after the opening one, or after its ^, is a member of the class.
            var isFirst = i == opening + 1 || (i == opening + 2 && pattern[i - 1] == '^');
            opening = !isInClass && pattern[i] == '[' ? i : isInClass && pattern[i] == ']' && !isFirst ? -1 : opening;
            translated.Append(pattern[i]);
        }

        return translated.ToString();
    }

    private static string Escape(char escape, bool isInClass) => (escape, isInClass) switch
    {
        ('w', true) => Word,
        ('w', false) => $"[{Word}]",
        ('W', _) => $"[^{Word}]",
        ('b', false) => $"(?:(?<=[{Word}])(?![{Word}])|(?<![{Word}])(?=[{Word}]))",
        ('B', false) => $"(?:(?<=[{Word}])(?=[{Word}])|(?<![{Word}])(?![{Word}]))",
        _ => $"\\{escape}",
    };
}
