using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Converts values to text, and treats text as a sequence of code points, as Python does.</summary>
internal static class PythonText
{
    /// <summary>Tests for white space as Python's str.isspace and regular expressions do.</summary>
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    /// <summary>Formats a value as Python's str does.</summary>
    public static string Of(object? value, RenderBudget budget) => value switch
    {
        string text => text,
        Undefined => "",
        null => "None",
        bool b => b ? "True" : "False",
        long i => i.ToString(CultureInfo.InvariantCulture),
        double d => OfDouble(d),
        _ => Represent(value, budget),
    };

    /// <summary>Formats a value as Python's repr does: strings are quoted.</summary>
    public static string Represent(object? value, RenderBudget budget)
    {
        var result = new TextBuilder(budget);
        Represent(value, result, budget);
        return result.ToString();
    }

    private static void Represent(object? value, TextBuilder result, RenderBudget budget)
    {
        budget.Visit();
        switch (value)
        {
            case string text:
                Quote(text, result);
                break;
            case Undefined:
                result.Append("Undefined");
                break;
            case List<object?> list:
                Join("[", list, "]");
                break;
            case TemplateTuple tuple:
                Join("(", tuple, tuple.Count == 1 ? ",)" : ")");
                break;
            case TemplateMap map:
                result.Append('{');
                var separator = "";
                foreach (var (key, item) in map)
                {
                    result.Append(separator);
                    Represent(key, result, budget);
                    result.Append(": ");
                    Represent(item, result, budget);
                    separator = ", ";
                }

                result.Append('}');
                break;
            case null or bool or long or double:
                result.Append(Of(value, budget));
                break;
            default:
                throw new TemplateError($"{TypeName(value)} to print", "a value that has a text");
        }

        void Join(string open, IReadOnlyList<object?> items, string close)
        {
            result.Append(open);
            for (var i = 0; i < items.Count; i++)
            {
                if (i > 0) result.Append(", ");
                Represent(items[i], result, budget);
            }

            result.Append(close);
        }
    }

    private static void Quote(string text, TextBuilder result)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        result.Append(quote);
        for (var i = 0; i < text.Length;)
        {
            var valid = Rune.TryGetRuneAt(text, i, out var rune);
            var code = valid ? rune.Value : text[i];
            i += valid ? rune.Utf16SequenceLength : 1;
            switch (code)
            {
                case '\n': result.Append("\\n"); break;
                case '\r': result.Append("\\r"); break;
                case '\t': result.Append("\\t"); break;
                case '\\': result.Append("\\\\"); break;
                case var c when c == quote: result.Append('\\').Append(quote); break;
                case var _ when valid && IsPrintable(rune): result.Append(rune); break;
                case <= 0xFF: result.Append(string.Create(CultureInfo.InvariantCulture, $"\\x{code:x2}")); break;
                case <= 0xFFFF: result.Append(string.Create(CultureInfo.InvariantCulture, $"\\u{code:x4}")); break;
                default: result.Append(string.Create(CultureInfo.InvariantCulture, $"\\U{code:x8}")); break;
            }
        }

        result.Append(quote);
    }

    private static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);

    /// <summary>Formats a double with the fewest digits that round-trip; with an exponent below 1e-4 and from 1e16.</summary>
    public static string OfDouble(double value)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (value == 0) return double.IsNegative(value) ? "-0.0" : "0.0";
        var (digits, exponent) = Digits(value);
        var sign = value < 0 ? "-" : "";
        if (exponent is < -4 or >= 16)
        {
            var fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return string.Create(CultureInfo.InvariantCulture, $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");
        }

        if (exponent < 0) return sign + "0." + new string('0', -exponent - 1) + digits;
        digits = digits.PadRight(exponent + 1, '0');
        return sign + digits[..(exponent + 1)] + "." + (digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0");
    }

    /// <summary>Returns the significant digits d1 d2 ... and the exponent e of d1.d2... x 10^e.</summary>
    private static (string Digits, int Exponent) Digits(double value)
    {
        var parts = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        var point = parts[0].IndexOf('.');
        var whole = point < 0 ? parts[0].Length : point;
        var digits = parts[0].Replace(".", "");
        var leadingZeros = digits.Length - digits.TrimStart('0').Length;
        var exponent = whole - 1 - leadingZeros + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        return (digits.Trim('0'), exponent);
    }

    /// <summary>Returns the name of a value's type in messages.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "none",
        Undefined => "an undefined value",
        bool => "a boolean",
        long => "an integer",
        double => "a float",
        string => "a string",
        List<object?> => "a list",
        TemplateTuple => "a tuple",
        TemplateMap => "a mapping",
        TemplateNamespace => "a namespace",
        TemplateGenerator => "a generator",
        TemplateCallable callable => $"the function {callable.Name}",
        LoopState => "loop",
        _ => value.GetType().Name,
    };

    /// <summary>Counts code points.</summary>
    public static int Length(ReadOnlySpan<char> text, RenderBudget budget)
    {
        budget.Touch(text.Length);
        var length = text.Length;
        for (var i = 1; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i - 1], text[i])) length--;
        }

        return length;
    }

    /// <summary>Splits a text into code points, one string each.</summary>
    public static IReadOnlyList<string> Characters(string text, RenderBudget budget)
    {
        budget.CountItems(text.Length);
        var characters = new List<string>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var pair = i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]);
            characters.Add(text.Substring(i, pair ? 2 : 1));
            if (pair) i++;
        }

        return characters;
    }

    /// <summary>Returns a code point, as a string, or null if the text has fewer; a negative index counts from the end.</summary>
    public static string? Character(string text, long index, RenderBudget budget)
    {
        var length = Length(text, budget);
        if (index < 0) index += length;
        if (index < 0 || index >= length) return null;
        var i = 0;
        for (; length < text.Length && index > 0; index--) i += char.IsSurrogatePair(text, i) ? 2 : 1;
        i += (int)index;
        return text.Substring(i, char.IsSurrogatePair(text, i) ? 2 : 1);
    }

    /// <summary>Prepares a search of one text in another, and counts it.</summary>
    public static TextSearch Search(string text, string part, RenderBudget budget)
    {
        budget.Touch((long)text.Length + part.Length);
        return new(text, part);
    }

    /// <summary>Compares texts by code point.</summary>
    public static int Compare(string a, string b, RenderBudget budget)
    {
        budget.Touch(Math.Min(a.Length, b.Length));
        var i = a.AsSpan().CommonPrefixLength(b);
        if (i < Math.Min(a.Length, b.Length))
        {
            return char.IsSurrogate(a[i]) == char.IsSurrogate(b[i]) ? a[i].CompareTo(b[i]) : char.IsSurrogate(a[i]) ? 1 : -1;
        }

        return a.Length.CompareTo(b.Length);
    }
}
