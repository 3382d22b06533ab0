using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// Represents a number in an answer exactly: 2.50 equals 2.5, 1,080 equals 1080.00, 1/2 equals 0.5. Currency signs, units and percent signs are
/// ignored (15% is 15). The minus sign is '-' or U+2212.
/// </summary>
public readonly partial record struct AnswerNumber
{
    /// <summary>Longer digit strings are not numbers: they come from a model in a loop, and exact arithmetic on them would be slow.</summary>
    internal const int MaximumLength = 1000;

    private AnswerNumber(BigInteger numerator, BigInteger denominator)
    {
        var divisor = BigInteger.GreatestCommonDivisor(numerator, denominator);
        (Numerator, _denominatorLessOne) = (numerator / divisor, denominator / divisor - 1);
    }

    private readonly BigInteger _denominatorLessOne; // so that default is 0/1

    /// <summary>Gets the numerator in lowest terms, with the sign.</summary>
    public BigInteger Numerator { get; }

    /// <summary>Gets the denominator in lowest terms, 1 or more.</summary>
    public BigInteger Denominator => _denominatorLessOne + 1;

    /// <summary>
    /// Matches one number: an optional minus before or after an optional currency sign; digits with or without thousands separators; decimals; a
    /// power of ten; or a fraction a/b. A dash right after a letter, digit or bracket (10-4) is not a sign.
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

    /// <summary>Parses a text that is a single number, apart from surrounding white space.</summary>
    /// <param name="text">The text, for example <c>-$1,080.50</c>; null counts as empty.</param>
    /// <param name="number">The number, or 0 on failure.</param>
    /// <returns>Whether the text is a number of at most 1,000 characters.</returns>
    public static bool TryParse(string? text, out AnswerNumber number)
    {
        number = default;
        var trimmed = (text ?? "").Trim();
        var match = Pattern().Match(trimmed);
        return match.Success && match.Length == trimmed.Length && TryCreate(match, out number);
    }

    /// <summary>Creates the number of a match of <see cref="Pattern"/>; returns false if it is too long.</summary>
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

    /// <summary>Formats the number in its shortest form: as a decimal if that is finite, else as a fraction.</summary>
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
