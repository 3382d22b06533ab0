using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Regular expressions as Hugging Face's engine, Oniguruma, understands them, put into .NET's words.</summary>
internal static class OnigurumaPattern
{
    /// <summary>Word characters: all Alphabetic ones, marks and digits, of which .NET leaves some out, and in Latin-1 superscripts and fractions.</summary>
    private const string Word = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9\u00B2\u00B3\u00B9\u00BC-\u00BE";

    /// <summary>The pattern for .NET.</summary>
    /// <param name="pattern">The pattern as it stands in the file.</param>
    /// <param name="foreign">A construct that .NET would read without complaint but in another sense, or null.</param>
    public static string Translate(string pattern, out string? foreign)
    {
        foreign = pattern.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') >= 0 ? "characters beyond U+FFFF"
            : pattern.Contains("&&", StringComparison.Ordinal) ? "class intersections (&&)"
            : pattern.Contains("[:", StringComparison.Ordinal) ? "POSIX classes ([:name:])"
            : null;
        var translated = new StringBuilder(pattern.Length);
        var opening = -1;
        for (var i = 0; i < pattern.Length; i++)
        {
            var isInClass = opening >= 0;
            if (pattern[i] == '\\' && i + 1 < pattern.Length)
            {
                var escape = pattern[++i];
                foreign ??= escape is 'h' or 'H' or 'R' or 'X' or 'K' || (escape == 'W' && isInClass) ? $"\\{escape}" + (isInClass ? " in a class" : "") : null;
                translated.Append(Escape(escape, isInClass));
                continue;
            }

            if (isInClass && pattern[i] == '[') foreign ??= "classes in classes";

            // A bracket right after the opening one, or its ^, is a member.
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
