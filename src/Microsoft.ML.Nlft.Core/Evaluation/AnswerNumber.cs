using System.Globalization;
using System.Numerics;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// Represents a number in an answer exactly: 2.50 equals 2.5, 1,080 equals 1080.00, 2 1/4 equals 2.25. Currency signs, units and percent signs are
/// ignored (15% is 15, not 0.15). <see cref="AnswerExtraction"/> lists the notations that are read.
/// </summary>
public readonly record struct AnswerNumber
{
    /// <summary>Longer digit strings are not numbers: they come from a model in a loop, and exact arithmetic on them would be slow.</summary>
    internal const int MaximumLength = 1000;

    internal AnswerNumber(BigInteger numerator, BigInteger denominator)
    {
        var divisor = BigInteger.GreatestCommonDivisor(numerator, denominator);
        if (denominator.Sign < 0) divisor = -divisor;
        (Numerator, _denominatorLessOne) = (numerator / divisor, denominator / divisor - 1);
    }

    private readonly BigInteger _denominatorLessOne; // so that default is 0/1

    /// <summary>Gets the numerator in lowest terms, with the sign.</summary>
    public BigInteger Numerator { get; }

    /// <summary>Gets the denominator in lowest terms, 1 or more.</summary>
    public BigInteger Denominator => _denominatorLessOne + 1;

    /// <summary>Parses a text that is a single number, apart from surrounding white space.</summary>
    /// <param name="text">The text, for example <c>-$1,080.50</c>; null counts as empty.</param>
    /// <param name="number">The number, or 0 on failure.</param>
    /// <returns>Whether the text is a number of at most 1,000 characters.</returns>
    public static bool TryParse(string? text, out AnswerNumber number)
    {
        var trimmed = (text ?? "").Trim();
        var token = new NumberReader(trimmed).Next(0, trimmed.Length);
        number = token?.Value ?? default;
        return token is { Start: 0, Value: not null } && token.Value.End == trimmed.Length;
    }

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

    internal AnswerNumber Negated => new(-Numerator, Denominator);

    /// <summary>The number times ten to a power.</summary>
    internal AnswerNumber Shifted(int power) => power >= 0
        ? new(Numerator * BigInteger.Pow(10, power), Denominator) : new(Numerator, Denominator * BigInteger.Pow(10, -power));

    internal AnswerNumber Plus(AnswerNumber other) =>
        new(Numerator * other.Denominator + other.Numerator * Denominator, Denominator * other.Denominator);

    /// <summary>The quotient; null when the divisor is 0.</summary>
    internal AnswerNumber? Over(AnswerNumber other) =>
        other.Numerator.IsZero ? null : new(Numerator * other.Denominator, Denominator * other.Numerator);
}
