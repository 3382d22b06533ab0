namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// Reads a part of a text that must be one number, with a unit or words around it: 5 km, $5 a day, x = 5, 2 + 3 = 5. Lists, ranges, times, dates,
/// inequalities and terms with roots or other commands of LaTeX are none.
/// </summary>
internal static class OneNumber
{
    /// <summary>Commands of LaTeX that change how a number looks, not what it is.</summary>
    private static readonly string[] s_plain =
        ["frac", "dfrac", "tfrac", "cfrac", "text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mathit", "mbox", "boxed", "left", "right",
            "displaystyle", "circ", "degree", "approx", "times", "cdot", "quad", "qquad", "pounds", "euro", "rm", "bf", "bold", "large", "Large"];

    private static readonly string[] s_months =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

    /// <summary>Returns the number of a part; null when it is not one number.</summary>
    public static NumberToken? Find(string text, NumberReader numbers, Range part)
    {
        var (offset, length) = part.GetOffsetAndLength(text.Length);
        var (start, end) = (offset, offset + length);
        var whole = text.AsSpan(start, length);
        var (first, last) = (whole.IndexOf('='), whole.TrimEnd().LastIndexOf('='));
        if (first < last && (whole[first..last].Contains(", ", StringComparison.Ordinal)
            || whole[first..last].Contains(" and ", StringComparison.Ordinal)))
        {
            return null; // a = 5, b = 6
        }
        if (last >= 0) start += last + 1;
        if (!IsPlain(text.AsSpan(start, end - start))) return null;
        NumberToken? one = null;
        for (var token = numbers.Next(start, end); token is { } found; token = numbers.Next(found.End, end))
        {
            if (found.Value is null || (one is not null && one.Value.Value != found.Value)) return null;
            one ??= found;
        }
        return one;
    }

    private static bool IsPlain(ReadOnlySpan<char> text)
    {
        if (text.IndexOfAny("√π∞≤≥≠") >= 0) return false;
        foreach (var month in s_months)
            if (text.StartsWith(month + " ") || text.EndsWith(" " + month) || text.Contains($" {month} ", StringComparison.Ordinal)) return false;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is '<' or '>')
            {
                // Doubled, they enclose a calculation.
                if (at + 1 >= text.Length || text[at + 1] != text[at]) return false;
                at++;
            }
            else if (text[at] == '\\')
            {
                var end = at + 1;
                while (end < text.Length && char.IsAsciiLetter(text[end])) end++;
                if (end > at + 1 && !s_plain.Contains(text[(at + 1)..end].ToString())) return false;
                at = Math.Max(at, end - 1);
            }
        }
        return true;
    }
}
