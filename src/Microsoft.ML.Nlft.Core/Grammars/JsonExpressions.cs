using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// The parts of JSON text (RFC 8259) as expressions over UTF-8. White space and numbers are bounded, so that a model cannot write them for ever.
/// </summary>
internal sealed class JsonExpressions
{
    /// <summary>The most digits of a whole number or of a fraction: a double holds as many.</summary>
    public const int MaximumDigits = 15;

    /// <summary>The most spaces after a line break.</summary>
    public const int MaximumIndent = 32;

    private readonly ExpressionSet _set;

    public JsonExpressions(ExpressionSet set)
    {
        _set = set;
        (Quote, Comma, Colon) = (set.Text("\""), set.Text(","), set.Text(":"));
        Digit = Bytes('0', '9');
        Space = set.Optional(set.Text(" "));
        Blank = set.Choice(Space, set.Sequence(set.Text("\n"), set.Repeat(set.Text(" "), 0, MaximumIndent)));
        var hex = set.Bytes(ByteSet.Of("0123456789abcdefABCDEF"));
        var hex2 = set.Sequence(hex, hex);
        var notSurrogate = set.Choice(set.Sequence(set.Bytes(ByteSet.Of("0123456789abcefABCEF")), hex, hex2),
            set.Sequence(set.Bytes(ByteSet.Of("dD")), Bytes('0', '7'), hex2));
        var pair = set.Sequence(set.Bytes(ByteSet.Of("dD")), set.Bytes(ByteSet.Of("89abAB")), hex2, set.Text("\\u"),
            set.Bytes(ByteSet.Of("dD")), set.Bytes(ByteSet.Of("cdefCDEF")), hex2);
        var raw = Raw();
        Character = set.Choice(raw, set.Sequence(set.Text("\\"), set.Choice(set.Bytes(ByteSet.Of("\"\\/bfnrt")),
            set.Sequence(set.Text("u"), set.Choice(notSurrogate, pair)))));
        // One spelling for each name, so that names differ if their texts do.
        NameRest = set.Sequence(
            set.Repeat(set.Choice(raw, set.Sequence(set.Text("\\"), set.Bytes(ByteSet.Of("\"\\bfnrt")))), 0, ExpressionSet.Unlimited), Quote);
    }

    public Expression Quote { get; }
    public Expression Comma { get; }
    public Expression Colon { get; }
    public Expression Digit { get; }

    /// <summary>Nothing or a space.</summary>
    public Expression Space { get; }

    /// <summary>Nothing, a space, or a line break with an indent.</summary>
    public Expression Blank { get; }

    /// <summary>A character of a string, as it is or escaped. Half of a surrogate pair is none.</summary>
    public Expression Character { get; }

    /// <summary>The rest of a member's name that no schema names, with the quote at its end.</summary>
    public Expression NameRest { get; }

    /// <summary>A string of some characters (code points).</summary>
    public Expression String(int minimum, int maximum) => _set.Sequence(Quote, _set.Repeat(Character, minimum, maximum), Quote);

    /// <summary>A number without bounds: at most <see cref="MaximumDigits"/> digits before and after the point, an exponent of two.</summary>
    public Expression Number()
    {
        var digits = _set.Repeat(Digit, 1, MaximumDigits);
        return _set.Sequence(_set.Optional(_set.Text("-")), _set.Choice(_set.Text("0"), Natural()),
            _set.Optional(_set.Sequence(_set.Text("."), digits)),
            _set.Optional(_set.Sequence(_set.Bytes(ByteSet.Of("eE")), _set.Optional(_set.Bytes(ByteSet.Of("+-"))), _set.Repeat(Digit, 1, 2))));
    }

    /// <summary>A whole number without bounds, of at most <see cref="MaximumDigits"/> digits.</summary>
    public Expression Integer() => _set.Choice(_set.Text("0"), _set.Sequence(_set.Optional(_set.Text("-")), Natural()));

    private Expression Natural() => _set.Sequence(Bytes('1', '9'), _set.Repeat(Digit, 0, MaximumDigits - 1));

    /// <summary>The numbers from <paramref name="least"/> to <paramref name="most"/>, in units of the last of some decimals.</summary>
    public Expression Between(long least, long most, int decimals)
    {
        var negative = least < 0 ? Positive(Math.Max(1, -most), -least, decimals) : _set.Nothing;
        return _set.Choice(_set.Sequence(_set.Text("-"), negative), most >= 0 ? Positive(Math.Max(0, least), most, decimals) : _set.Nothing);
    }

    private Expression Positive(long least, long most, int decimals)
    {
        var all = _set.Nothing;
        var (first, past) = (0L, (long)Math.Pow(10, decimals + 1)); // the numbers of the least width, then those of one digit more
        for (var width = decimals + 1; first <= most; width++, first = past, past *= 10)
        {
            var (low, high) = (Math.Max(first, least), Math.Min(most, past - 1));
            if (low > high) continue;
            all = _set.Choice(all, Digits(Padded(low, width), Padded(high, width), decimals));
        }
        return all;

        static string Padded(long value, int width) => value.ToString(CultureInfo.InvariantCulture).PadLeft(width, '0');
    }

    /// <summary>The digit strings between two of one length, with a point before the last <paramref name="decimals"/> digits.</summary>
    private Expression Digits(string low, string high, int decimals)
    {
        if (low.Length == 0) return _set.Empty;
        var point = low.Length == decimals ? _set.Text(".") : _set.Empty;
        var (lows, highs, rest) = (new string('0', low.Length - 1), new string('9', low.Length - 1), low.Length - 1);
        if (low[1..] == lows && high[1..] == highs) return _set.Sequence(point, Bytes(low[0], high[0]), Any(rest));
        if (low[0] == high[0]) return _set.Sequence(point, Bytes(low[0], low[0]), Digits(low[1..], high[1..], decimals));
        return _set.Sequence(point, _set.Choice(
            _set.Sequence(Bytes(low[0], low[0]), Digits(low[1..], highs, decimals)),
            low[0] + 1 < high[0] ? _set.Sequence(Bytes((char)(low[0] + 1), (char)(high[0] - 1)), Any(rest)) : _set.Nothing,
            _set.Sequence(Bytes(high[0], high[0]), Digits(lows, high[1..], decimals))));

        Expression Any(int count) => count < decimals || decimals == 0 ? _set.Repeat(Digit, count, count)
            : _set.Sequence(_set.Repeat(Digit, count - decimals, count - decimals), _set.Text("."), _set.Repeat(Digit, decimals, decimals));
    }

    /// <summary>Returns a text as the rest of a JSON string with its quote: as it is, and with escapes for what is not ASCII.</summary>
    public static IEnumerable<byte[]> Spellings(string text)
    {
        var (raw, escaped) = (Spelling(text, escapes: false), Spelling(text, escapes: true));
        return raw == escaped ? [Encoding.UTF8.GetBytes(raw)] : [Encoding.UTF8.GetBytes(raw), Encoding.UTF8.GetBytes(escaped)];
    }

    /// <summary>Returns a text as the rest of a JSON string, with its quote.</summary>
    public static string Spelling(string text, bool escapes)
    {
        var spelling = new StringBuilder();
        foreach (var character in text)
        {
            var special = "\"\\\b\f\n\r\t".IndexOf(character, StringComparison.Ordinal);
            if (special >= 0) spelling.Append('\\').Append("\"\\bfnrt"[special]);
            else if (character < ' ' || (escapes && character > '~')) spelling.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
            else spelling.Append(character);
        }
        return spelling.Append('"').ToString();
    }

    private Expression Bytes(int first, int last) => _set.Bytes(ByteSet.Range(first, last));

    /// <summary>A character that stands for itself: UTF-8 in its shortest form, without control characters and surrogates.</summary>
    private Expression Raw()
    {
        var next = Bytes(0x80, 0xBF);
        return _set.Choice(_set.Bytes(ByteSet.Range(0x20, 0x7F).Without(ByteSet.Of("\"\\"))),
            _set.Sequence(Bytes(0xC2, 0xDF), next),
            _set.Sequence(Bytes(0xE0, 0xE0), Bytes(0xA0, 0xBF), next),
            _set.Sequence(_set.Bytes(ByteSet.Range(0xE1, 0xEC) | ByteSet.Range(0xEE, 0xEF)), next, next),
            _set.Sequence(Bytes(0xED, 0xED), Bytes(0x80, 0x9F), next),
            _set.Sequence(Bytes(0xF0, 0xF0), Bytes(0x90, 0xBF), next, next),
            _set.Sequence(Bytes(0xF1, 0xF3), next, next, next),
            _set.Sequence(Bytes(0xF4, 0xF4), Bytes(0x80, 0x8F), next, next));
    }
}
