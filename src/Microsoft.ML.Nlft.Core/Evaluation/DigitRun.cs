using System.Globalization;
using System.Numerics;
using System.Text;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// Digits with thousands separators and decimals, in the notations of many countries and of LaTeX: 1,234.5 and 1.234.567,8 and 1 234,5 and 1'234 and
/// 12,34,567 and 9{,}500 and 9\,500. A single comma before exactly three digits separates thousands (1,234); before others, decimals (3,14). A single
/// period always separates decimals. Commas and periods that fit no notation, as in 1,2,3 or 12.05.2020, make one run without a value.
/// </summary>
/// <param name="Start">Where the run begins.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Value">Its value; null when there is none.</param>
/// <param name="IsWhole">Whether it has no decimals.</param>
/// <param name="HasDecimalComma">Whether a comma separates its decimals: between brackets, it is a list of two.</param>
internal readonly record struct DigitRun(int Start, int End, AnswerNumber? Value, bool IsWhole, bool HasDecimalComma)
{
    private const char Comma = ',', Period = '.';

    /// <summary>Reads the run that begins at a digit, or at a period before one.</summary>
    public static DigitRun Read(string text, int start, int to)
    {
        var groups = new List<string>();
        var separators = new List<char>();
        var at = start;
        if (text[at] != Period)
        {
            groups.Add(Digits(text, ref at, to));
            while (Group(text, at, to, groups, separators) is var next && next > at) at = next;
        }
        else
        {
            groups.Add("0");
        }
        var closed = groups.Count; // further separators than blanks and the like end the thousands
        while (at < to && Point(text, at, to) is var (separator, length) && length > 0)
        {
            at += length;
            separators.Add(separator);
            groups.Add(Digits(text, ref at, to));
        }
        return closed > 1 ? Spaced(start, at, groups, closed) : Pointed(start, at, groups, separators);
    }

    private static DigitRun Spaced(int start, int end, List<string> groups, int whole) =>
        groups.Count > whole + 1 ? new(start, end, null, false, false) : Create(start, end, groups, whole, decimalComma: false);

    private static DigitRun Pointed(int start, int end, List<string> groups, List<char> separators)
    {
        var changes = separators.Count > 1 && separators[^1] != separators[^2];
        var alike = separators.Take(separators.Count - (changes ? 1 : 0)).Distinct().Count() <= 1;
        if (!alike) return new(start, end, null, false, false);
        if (separators.Count == 0) return Create(start, end, groups, 1, false);
        if (changes)
        {
            return Thousands(groups[..^1], separators[0]) ? Create(start, end, groups, groups.Count - 1, false)
                : new(start, end, null, false, false);
        }
        if (separators.Count == 1 && separators[0] == Period) return Create(start, end, groups, 1, false);
        if (Thousands(groups, separators[0])) return Create(start, end, groups, groups.Count, false);
        return separators.Count == 1 && DecimalComma(groups[0], groups[1]) ? Create(start, end, groups, 1, decimalComma: true)
            : new(start, end, null, false, false);
    }

    /// <summary>Whether groups are those of thousands: 1,234,567, or with commas also 12,34,567 as in India.</summary>
    private static bool Thousands(List<string> groups, char separator)
    {
        if (groups[0].Length > 3 || groups[0][0] == '0' || groups[^1].Length != 3) return false;
        var between = groups.Skip(1).SkipLast(1).ToList();
        return between.All(group => group.Length == 3)
            || (separator == Comma && groups[0].Length < 3 && between.All(group => group.Length == 2));
    }

    /// <summary>Whether a comma separates decimals: 3,14 and 1234,50 and 0,125, but not 2019,2020.</summary>
    private static bool DecimalComma(string whole, string decimals) => whole.Length <= 3 || decimals.Length <= 2;

    private static DigitRun Create(int start, int end, List<string> groups, int whole, bool decimalComma)
    {
        if (end - start > AnswerNumber.MaximumLength) return new(start, end, null, false, decimalComma);
        var decimals = groups.Count > whole ? groups[^1] : "";
        var digits = BigInteger.Parse(string.Concat(groups.Take(whole)) + decimals, NumberStyles.None, CultureInfo.InvariantCulture);
        return new(start, end, new AnswerNumber(digits, BigInteger.Pow(10, decimals.Length)), decimals.Length == 0, decimalComma);
    }

    /// <summary>Adds a group of three digits after a blank, an apostrophe or the like; returns where it ends, or <paramref name="at"/>.</summary>
    private static int Group(string text, int at, int to, List<string> groups, List<char> separators)
    {
        var (separator, length) = Narrow(text, at, to);
        if (length == 0 || groups[0].Length > 3 || groups[0][0] == '0') return at;
        var end = at + length;
        if (separators.Count > 0 && separators[0] != separator) return at;
        if (end + 3 > to || !IsDigit(text[end]) || !IsDigit(text[end + 1]) || !IsDigit(text[end + 2])) return at;
        var after = end + 3 < to ? text[end + 3] : '\n';
        if (IsDigit(after)) return at;
        // 2 100/125 is a mixed number, 2 100-gram bars are two bars, and in 1 2 345 nothing says which digits belong together.
        if (separator == ' ' && (NumberReader.IsSlash(after) || after == '-' || after == ':' || AfterDigitAndBlank(text, at, groups))) return at;
        separators.Add(separator);
        groups.Add(Digits(text, ref end, to));
        return end;
    }

    private static bool AfterDigitAndBlank(string text, int at, List<string> groups)
    {
        if (groups.Count > 1) return false;
        var start = at - groups[0].Length;
        return start >= 2 && text[start - 1] == ' ' && IsDigit(text[start - 2]);
    }

    /// <summary>A separator that only ever separates thousands, with its length; length 0 when there is none.</summary>
    private static (char Separator, int Length) Narrow(string text, int at, int to)
    {
        if (at >= to) return default;
        return text[at] switch
        {
            ' ' => (' ', 1),
            '\'' or '\u2019' or '\u02BC' or '\uFF07' => ('\'', 1),
            '_' => ('_', 1),
            '\u066C' => ('\u066C', 1),
            '~' or '\u00A0' or (>= '\u2000' and <= '\u200A') or '\u202F' or '\u205F' => ('~', 1),
            '{' when at + 3 < to && text[at + 3] == '}' && Spaces(text, at + 1, at + 3) == 2 => ('~', 4), // {\,}
            '\\' => ('~', Spaces(text, at, to)),
            _ => default,
        };
    }

    /// <summary>A comma or a period before a digit, with its length; LaTeX writes the comma also as {,} and ,\!.</summary>
    private static (char Separator, int Length) Point(string text, int at, int to)
    {
        var (separator, length) = text[at] switch
        {
            ',' or '\uFF0C' => (Comma, 1),
            '.' or '\uFF0E' or '\u066B' => (Period, 1),
            '{' when at + 2 < to && text[at + 2] == '}' && text[at + 1] is Comma or Period => (text[at + 1], 3),
            _ => default,
        };
        if (separator == Comma && at + length + 1 < to && text[at + length] == '\\' && text[at + length + 1] is '!' or ',') length += 2;
        return length > 0 && at + length < to && IsDigit(text[at + length]) ? (separator, length) : default;
    }

    /// <summary>The length of LaTeX's thin spaces at a place: \, \! \; \: and a backslash with a blank, one or more.</summary>
    private static int Spaces(string text, int at, int to)
    {
        var end = at;
        while (end + 1 < to && text[end] == '\\' && text[end + 1] is ',' or '!' or ';' or ':' or ' ') end += 2;
        return end - at;
    }

    private static string Digits(string text, ref int at, int to)
    {
        var digits = new StringBuilder();
        for (; at < to && IsDigit(text[at]); at++) digits.Append((char)('0' + CharUnicodeInfo.GetDecimalDigitValue(text[at])));
        return digits.ToString();
    }

    /// <summary>Whether a character is a decimal digit of any script.</summary>
    public static bool IsDigit(char letter) => char.IsDigit(letter);
}
