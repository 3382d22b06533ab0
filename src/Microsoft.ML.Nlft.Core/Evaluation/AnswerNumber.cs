using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// A number as people write it in an answer, held exactly: 2.50 equals 2.5, 1,080 equals 1080.00, 1/2 equals 0.5. Currency signs, units and
/// percent signs do not count (15% is 15). Minus is '-' or U+2212.
/// </summary>
public readonly partial record struct AnswerNumber
{
    /// <summary>Longer digit strings are no numbers: they are a model caught in a loop, and exact arithmetic on them would be slow.</summary>
    internal const int MaximumLength = 1000;

    private AnswerNumber(BigInteger numerator, BigInteger denominator)
    {
        var divisor = BigInteger.GreatestCommonDivisor(numerator, denominator);
        (Numerator, _denominatorLessOne) = (numerator / divisor, denominator / divisor - 1);
    }

    private readonly BigInteger _denominatorLessOne; // so that default is 0/1

    /// <summary>Numerator in lowest terms; it carries the sign.</summary>
    public BigInteger Numerator { get; }

    /// <summary>Denominator in lowest terms, 1 or more.</summary>
    public BigInteger Denominator => _denominatorLessOne + 1;

    /// <summary>
    /// One number: optional minus before or after an optional currency sign; digits, in thousands groups or not; decimals; a power of ten or
    /// a fraction a/b. A dash right after a letter, digit or bracket (10-4) is no sign.
    /// </summary>
    [GeneratedRegex("""
        (?<minus>(?<![\p{L}\p{Nd}.)\]}%])[-\u2212])?
        [$\u20AC\u00A3\u00A5\u20B9]?
        (?<minus>(?<=[$\u20AC\u00A3\u00A5\u20B9])[-\u2212])?
        (?:
            (?<![0-9]/)(?<top>[0-9]+)/(?<bottom>0*[1-9][0-9]*)(?!\.?[0-9]|/)
          | (?<digits>[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+|(?=\.[0-9]))
            (?:\.(?<decimals>[0-9]+))?
            (?:[eE](?<power>[-+]?[0-9]{1,3})(?![\p{L}\p{Nd}]))?
        )
        """, RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    internal static partial Regex Pattern();

    /// <summary>Reads a text that is one number and nothing else but blanks.</summary>
    /// <param name="text">For example <c>-$1,080.50</c>.</param>
    /// <param name="number">The number, or 0.</param>
    /// <returns>Whether the text is a number of at most 1,000 characters.</returns>
    public static bool TryParse(string? text, out AnswerNumber number)
    {
        number = default;
        var trimmed = (text ?? "").Trim();
        var match = Pattern().Match(trimmed);
        return match.Success && match.Length == trimmed.Length && TryCreate(match, out number);
    }

    /// <summary>The number of a match of <see cref="Pattern"/>; false when it is too long.</summary>
    internal static bool TryCreate(Match match, out AnswerNumber number)
    {
        number = default;
        if (match.Length > MaximumLength) return false;
        BigInteger numerator, denominator = BigInteger.One;
        if (match.Groups["bottom"].Success)
        {
            numerator = Digits(match.Groups["top"].Value);
            denominator = Digits(match.Groups["bottom"].Value);
        }
        else
        {
            var decimals = match.Groups["decimals"].Value;
            var power = match.Groups["power"] is { Success: true } p ? int.Parse(p.Value, CultureInfo.InvariantCulture) : 0;
            numerator = Digits(match.Groups["digits"].Value.Replace(",", "", StringComparison.Ordinal) + decimals);
            var shift = power - decimals.Length;
            if (shift >= 0) numerator *= BigInteger.Pow(10, shift);
            else denominator = BigInteger.Pow(10, -shift);
        }
        number = new AnswerNumber(match.Groups["minus"].Success ? -numerator : numerator, denominator);
        return true;
    }

    private static BigInteger Digits(string digits) => BigInteger.Parse("0" + digits, NumberStyles.None, CultureInfo.InvariantCulture);

    /// <summary>The shortest way to write it: decimals where they end, else a fraction.</summary>
    public override string ToString()
    {
        var (rest, places) = (Denominator, 0);
        for (; rest % 10 == 0; rest /= 10) places++;
        for (; rest % 2 == 0; rest /= 2) places++;
        for (; rest % 5 == 0; rest /= 5) places++;
        if (!rest.IsOne) return string.Create(CultureInfo.InvariantCulture, $"{Numerator}/{Denominator}");

        var scaled = BigInteger.Abs(Numerator * BigInteger.Pow(10, places) / Denominator);
        var digits = scaled.ToString(CultureInfo.InvariantCulture).PadLeft(places + 1, '0');
        var sign = Numerator.Sign < 0 ? "-" : "";
        return places == 0 ? sign + digits : $"{sign}{digits[..^places]}.{digits[^places..]}";
    }
}
