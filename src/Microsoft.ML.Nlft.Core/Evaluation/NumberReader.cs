using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// Reads the numbers of a text from left to right, in time linear in its length. The grammar:
/// <code>
/// token    = [sign] [currency] [sign] unsigned
/// unsigned = mixed | quotient | run [power of ten]          (power of ten: e3, × 10^3, \times 10^{3})
/// mixed    = whole [blank | "and" | "-"] proper fraction    (2 1/4, 2½, 2\frac{1}{4}, 2-1/4 but not in 2-1/4 = 7/4)
/// quotient = run "/" run | \frac{run}{run} | ½
/// </code>
/// Runs are those of <see cref="DigitRun"/>. Digits right after a letter (CO2, x_1, m^2) are part of a name, not a number.
/// </summary>
internal sealed class NumberReader(string text)
{
    private const int LongestWord = 12;
    private const string Fractions = "½1/2 ⅓1/3 ⅔2/3 ¼1/4 ¾3/4 ⅕1/5 ⅖2/5 ⅗3/5 ⅘4/5 ⅙1/6 ⅚5/6 ⅐1/7 ⅛1/8 ⅜3/8 ⅝5/8 ⅞7/8 ⅑1/9";
    private static readonly string[] s_units =
        ["\\circ", "{\\circ", "\\text", "{\\text", "\\mathrm", "{\\mathrm", "{th", "{st", "{nd", "{rd", "th", "st", "nd", "rd"];
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";
    private static readonly string[] s_currencies =
        ["usd", "eur", "gbp", "inr", "rs", "jpy", "cny", "rmb", "chf", "aud", "cad", "sgd", "kr"];

    /// <summary>Returns the first token that begins in a range; null when there is none.</summary>
    public NumberToken? Next(int from, int to)
    {
        for (var at = from; at < to;)
        {
            if (!Begins(at, to))
            {
                at++;
                continue;
            }
            var (end, value) = Unsigned(at, to);
            if (!IsPartOfName(at, out var word)) return Signed(at, end, value, from);
            if (word > 0 && DigitRun.IsDigit(text[word - 1]) && !IsUnit(word, at, end)) return new NumberToken(at, end, null, false); // 15h30
            at = end;
        }
        return null;
    }

    /// <summary>Returns the token that begins at a place with its sign, currency or first digit; null when none does.</summary>
    public NumberToken? At(int start, int to)
    {
        var digits = start;
        while (digits < to && digits < start + 4 && (text[digits] is '+' or '±' || IsMinus(text[digits]) || IsCurrency(digits, to))) digits++;
        return digits < to && Begins(digits, to) && Next(start, to) is { } token && token.Start == start ? token : null;
    }

    /// <summary>Whether a character is a fraction's slash.</summary>
    public static bool IsSlash(char letter) => letter is '/' or '\u2044' or '\u2215';

    /// <summary>Whether a character is a minus sign, also a dash that stands for one.</summary>
    public static bool IsMinus(char letter) => letter is '-' or '\u2212' or '\u2013' or '\uFE63' or '\uFF0D';

    private bool Begins(int at, int to) => DigitRun.IsDigit(text[at]) || IsFractionSign(text[at])
        || (text[at] == '.' && at + 1 < to && DigitRun.IsDigit(text[at + 1]) && (at == 0 || !char.IsLetter(text[at - 1]))) // not Rs.500
        || (text[at] == '\\' && FractionCommand(at, to) > at);

    private (int End, AnswerNumber? Value) Unsigned(int at, int to)
    {
        if (IsFractionSign(text[at])) return (at + 1, FractionSign(text[at]));
        if (text[at] == '\\') return Raised(Frac(at, to), to);
        var run = DigitRun.Read(text, at, to);
        if (run.HasDecimalComma && IsEnclosed(at)) return (run.End, null); // (3,4) is a point, {3,4} a set
        if (run.Value is not { } value) return (Chain(run.End, to), null);
        if (run.IsWhole && Mixed(run, to) is { } mixed) return mixed;
        if (run.IsWhole && IsoDate(run, to) is var date && date > run.End) return (date, null);
        if (Chain(run.End, to) is var chain && chain > run.End) return (chain, null);
        if (Quotient(run.End, to) is { } quotient)
        {
            // More than two parts are a date.
            if (Quotient(quotient.End, to) is { } more) return (more.End, null);
            return (quotient.End, quotient.Divisor is { } divisor ? value.Over(divisor) : null);
        }
        return Power(run, value, to);
    }

    private bool IsEnclosed(int at) =>
        at > 0 && (text[at - 1] is '(' or '[' || (text[at - 1] == '{' && (at < 2 || !char.IsAsciiLetter(text[at - 2]))));

    /// <summary>Reads further parts after colons, as in 3:45 and 2:3; returns where they end.</summary>
    private int Chain(int at, int to)
    {
        while (at + 1 < to && text[at] == ':' && DigitRun.IsDigit(text[at + 1])) at = DigitRun.Read(text, at + 1, to).End;
        return at;
    }

    /// <summary>Reads the rest of a date, year-month-day or day-month-year; returns where it ends.</summary>
    private int IsoDate(DigitRun first, int to)
    {
        var at = first.End;
        var (second, third) = (Part(first.End), 0);
        if (second > 0) third = Part(first.End + 1 + second);
        var year = Math.Max(first.End - first.Start, third);
        return second is 1 or 2 && third > 0 && year == 4 && first.End - first.Start + third <= 6 ? at + 2 + second + third : at;

        int Part(int dash)
        {
            var end = dash + 1;
            if (dash >= to || text[dash] != '-') return 0;
            while (end < to && end < dash + 6 && DigitRun.IsDigit(text[end])) end++;
            return end - dash - 1;
        }
    }

    /// <summary>Reads the fraction that makes a whole number a mixed one; null when there is none.</summary>
    private (int End, AnswerNumber? Value)? Mixed(DigitRun whole, int to)
    {
        var at = Blanks(whole.End, to);
        if (at < to && IsFractionSign(text[at])) return (at + 1, whole.Value!.Value.Plus(FractionSign(text[at])));
        if (at < to && text[at] == '\\' && FractionCommand(at, to) > at)
        {
            var (end, fraction) = Frac(at, to);
            return (end, fraction is { } part && IsProper(part) ? whole.Value!.Value.Plus(part) : null);
        }
        var isHyphened = at == whole.End && at + 1 < to && text[at] is '-' or '\u2011';
        if (isHyphened) at++;
        else if (at == whole.End) return null;
        if (at + 4 < to && text.AsSpan(at, 4).SequenceEqual("and ")) at += 4;
        if (at >= to || !char.IsAsciiDigit(text[at])) return null;
        var top = DigitRun.Read(text, at, to);
        if (!top.IsWhole || top.End >= to || !IsSlash(text[top.End]) || top.End + 1 >= to || !char.IsAsciiDigit(text[top.End + 1])) return null;
        var bottom = DigitRun.Read(text, top.End + 1, to);
        if (!bottom.IsWhole || (bottom.End < to && IsSlash(text[bottom.End]))) return null;
        if (isHyphened && Blanks(bottom.End, to) is var next && next < to && text[next] == '=') return null; // a difference
        return top.Value is { } over && bottom.Value is { } under && over.Over(under) is { } value && IsProper(value)
            ? (bottom.End, whole.Value!.Value.Plus(value)) : null;
    }

    private static bool IsProper(AnswerNumber fraction) => fraction.Numerator.Sign > 0 && fraction.Numerator < fraction.Denominator;

    /// <summary>Reads a slash, perhaps between blanks, and a divisor, which is null when it has no value; null when there is no slash.</summary>
    private (int End, AnswerNumber? Divisor)? Quotient(int at, int to)
    {
        var slash = at < to && text[at] == ' ' ? at + 1 : at;
        if (slash >= to || !IsSlash(text[slash])) return null;
        var divisor = slash + 1 < to && text[slash + 1] == ' ' && slash > at ? slash + 2 : slash + 1;
        if (divisor >= to || !DigitRun.IsDigit(text[divisor])) return null;
        var run = DigitRun.Read(text, divisor, to);
        return (run.End, run.Value);
    }

    private (int End, AnswerNumber? Value) Power(DigitRun run, AnswerNumber value, int to)
    {
        var at = run.End;
        if (at < to && text[at] is 'e' or 'E' && Exponent(at + 1, to) is var (end, power) && end > at + 1 && (end >= to || !char.IsLetter(text[end])))
            return (end, power is { } p ? value.Shifted(p) : null);
        if (value == new AnswerNumber(10, 1) && RaisedTo(at, to) is var (last, ten) && last > at)
            return (last, ten is { } t ? new AnswerNumber(1, 1).Shifted(t) : null);
        if (TimesTen(at, to) is var (stop, factor) && stop > at) return (stop, factor is { } f ? value.Shifted(f) : null);
        return Raised((at, value), to);
    }

    /// <summary>
    /// Takes the value away from a number with an exponent: 5^2 is a calculation. Degrees (90^\circ) and ordinals (5^{th}) are units.
    /// </summary>
    private (int End, AnswerNumber? Value) Raised((int End, AnswerNumber? Value) number, int to)
    {
        var at = number.End;
        if (at < to && Superscripts.Contains(text[at])) return (RaisedTo(at, to).End, null);
        if (at + 1 >= to || text[at] != '^') return number;
        foreach (var unit in s_units)
            if (text.AsSpan(at + 1, to - at - 1).StartsWith(unit)) return number;
        return (Math.Max(RaisedTo(at, to).End, at + 1), null);
    }

    /// <summary>Reads × 10^n after a number.</summary>
    private (int End, int? Power) TimesTen(int from, int to)
    {
        var at = Blanks(from, to);
        var sign = at >= to ? 0 : text[at] is '×' or 'x' or '*' or '·' or '⋅' ? 1
            : text.AsSpan(at, to - at).StartsWith("\\times") ? 6 : text.AsSpan(at, to - at).StartsWith("\\cdot") ? 5 : 0;
        if (sign == 0) return (from, null);
        at = Blanks(at + sign, to);
        if (at + 2 >= to || text[at] != '1' || text[at + 1] != '0') return (from, null);
        var raised = RaisedTo(at + 2, to);
        return raised.End > at + 2 ? raised : (from, null);
    }

    /// <summary>Reads ^n, ^{n} or superscript digits.</summary>
    private (int End, int? Power) RaisedTo(int from, int to)
    {
        var at = from;
        var (digits, minus) = ("", false);
        for (; at < to && (Superscripts.Contains(text[at]) || text[at] is '⁻' or '⁺'); at++)
        {
            if (text[at] == '⁻') minus = true;
            else if (text[at] != '⁺') digits += Superscripts.IndexOf(text[at]);
            if (digits.Length > 3) return (at + 1, null);
        }
        if (digits.Length > 0) return (at, Number(digits, minus));
        if (from >= to || text[from] != '^') return (from, null);
        var braced = from + 1 < to && text[from + 1] == '{';
        var first = from + (braced ? 2 : 1);
        var exponent = Exponent(first, to);
        if (exponent.End == first) return (from, null);
        return braced && exponent.End < to && text[exponent.End] == '}' ? (exponent.End + 1, exponent.Power) : exponent;
    }

    /// <summary>Reads a whole number of up to three digits with a sign; a longer one has no value.</summary>
    private (int End, int? Power) Exponent(int from, int to)
    {
        var first = from < to && (text[from] == '+' || IsMinus(text[from])) ? from + 1 : from;
        var at = first;
        while (at < to && char.IsAsciiDigit(text[at])) at++;
        return at == first ? (from, null)
            : (at, at - first <= 3 ? Number(text[first..at], first > from && text[from] != '+') : null);
    }

    private static int Number(string digits, bool minus) => int.Parse(digits, CultureInfo.InvariantCulture) * (minus ? -1 : 1);

    /// <summary>Returns where LaTeX's \frac, \dfrac, \tfrac or \cfrac ends at a place, or the place.</summary>
    private int FractionCommand(int at, int to)
    {
        var rest = text.AsSpan(at, Math.Min(6, to - at));
        return at + (rest.StartsWith("\\frac") ? 5 : rest is "\\dfrac" or "\\tfrac" or "\\cfrac" or "\\sfrac" ? 6 : 0);
    }

    private (int End, AnswerNumber? Value) Frac(int at, int to)
    {
        var end = FractionCommand(at, to);
        var top = Argument(ref end, to);
        var bottom = Argument(ref end, to);
        return (end, top is { } over && bottom is { } under ? over.Over(under) : null);
    }

    /// <summary>Reads an argument of a command, a digit or a number between braces; null when it is anything else.</summary>
    private AnswerNumber? Argument(ref int at, int to)
    {
        while (at < to && text[at] == ' ') at++;
        if (at >= to) return null;
        if (char.IsAsciiDigit(text[at])) return new AnswerNumber(text[at++] - '0', BigInteger.One);
        if (text[at] != '{') return null;
        var start = at + 1;
        var close = text.AsSpan(start, to - start).IndexOfAny('{', '}', '\n');
        if (close < 0 || text[start + close] != '}') return null;
        at = start + close + 1;
        var inner = text[start..(start + close)].Trim();
        var minus = inner.Length > 0 && IsMinus(inner[0]);
        if (minus) inner = inner[1..].TrimStart();
        if (inner.Length == 0 || !char.IsAsciiDigit(inner[0])) return null;
        var run = DigitRun.Read(inner, 0, inner.Length);
        return run.End < inner.Length ? null : minus ? run.Value?.Negated : run.Value;
    }

    /// <summary>Whether the digits belong to the word, subscript or exponent before them; and where the word begins, or 0.</summary>
    private bool IsPartOfName(int at, out int word)
    {
        word = 0;
        if (at == 0 || text[at] == '\\' || IsFractionSign(text[at])) return false;
        var before = at - 1;
        if (text[before] == '{' && before > 0) before--;
        if (text[before] == '^') return true;
        if (text[before] == '_') return before > 0 && char.IsAsciiLetterOrDigit(text[before - 1]);
        if (before < at - 1 || !char.IsAsciiLetter(text[before])) return false;
        word = before;
        while (word > 0 && word > at - LongestWord && char.IsAsciiLetter(text[word - 1])) word--;
        if (word > 0 && text[word - 1] == '\\') return false; // \approx5
        var letters = text[word..at].ToLowerInvariant();
        if (letters == "x") return word == 0 || !(DigitRun.IsDigit(text[word - 1]) || text[word - 1] is ' ' or ')'); // 3x5
        return !s_currencies.Contains(letters);
    }

    /// <summary>Whether letters and a digit are a unit of area or volume: m2, cm3.</summary>
    private bool IsUnit(int word, int at, int end) =>
        end == at + 1 && text[at] is '2' or '3' && (end >= text.Length || !char.IsAsciiLetter(text[end]))
        && text[word..at] is "m" or "mm" or "cm" or "dm" or "km" or "ft" or "in" or "yd";

    /// <summary>Adds sign and currency to digits that begin at <paramref name="at"/>.</summary>
    private NumberToken Signed(int at, int end, AnswerNumber? value, int from)
    {
        var (start, sign) = (at, '\0');
        TakeSign();
        if (start > from && IsCurrency(start - 1, at))
        {
            start -= start - 1 > from && text[start - 2] == '\\' ? 2 : 1;
            TakeSign();
        }
        if (sign == '\0') TakeDistantMinus();
        if (sign == '±') value = null;
        return new NumberToken(start, end, sign is not '\0' and not '+' ? value?.Negated : value, sign != '\0');

        void TakeSign()
        {
            if (sign != '\0' || start == from || !(text[start - 1] is '+' or '±' || IsMinus(text[start - 1]))) return;
            // A dash right after a letter, digit or bracket (10-4) is not a sign.
            if (start > 1 && (char.IsLetterOrDigit(text[start - 2]) || text[start - 2] is '.' or ')' or ']' or '}' or '%')) return;
            sign = text[--start];
        }

        void TakeDistantMinus() // x = - 5
        {
            var dash = start - 1;
            while (dash > from && text[dash] == ' ') dash--;
            if (dash < from || dash == start - 1 || !IsMinus(text[dash])) return;
            var equals = dash - 1;
            while (equals > 0 && text[equals] == ' ') equals--;
            if (equals >= 0 && text[equals] == '=') (start, sign) = (dash, text[dash]);
        }
    }

    private bool IsCurrency(int at, int to) => char.GetUnicodeCategory(text[at]) == UnicodeCategory.CurrencySymbol
        || (text[at] == '\\' && at + 1 < to && text[at + 1] == '$');

    /// <summary>Skips the blanks that may stand within a number: one or two, also those of LaTeX.</summary>
    private int Blanks(int at, int to)
    {
        for (var taken = 0; taken < 2 && at < to; taken++)
        {
            if (text[at] is ' ' or '\u00A0' or '\u2009' or '\u202F' or '~') at++;
            else if (text[at] == '\\' && at + 1 < to && text[at + 1] is ' ' or ',' or '!' or ';' or ':') at += 2;
            else break;
        }
        return at;
    }

    private static bool IsFractionSign(char letter) => letter >= '¼' && char.GetUnicodeCategory(letter) == UnicodeCategory.OtherNumber
        && Fractions.Contains(letter);

    private static AnswerNumber FractionSign(char letter)
    {
        var at = Fractions.IndexOf(letter);
        return new(Fractions[at + 1] - '0', Fractions[at + 3] - '0');
    }
}
