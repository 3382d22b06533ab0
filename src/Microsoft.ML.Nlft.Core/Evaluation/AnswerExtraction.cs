using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>Extracts the final answer from a worked solution: as a number, or as the string that NLFT's published evaluation compares.</summary>
/// <remarks>
/// <para>Numbers are read in these notations: 1,234.5 and 1.234.567,8; groups of three digits after a blank, a thin space, an apostrophe or LaTeX's
/// <c>{,}</c> and <c>\,</c>; 12,34,567; a comma before exactly three digits separates thousands (1,234), before others decimals (3,14); a single
/// period always separates decimals. Fractions (3/4, \frac{3}{4}, ¾) and mixed numbers (2 1/4, 2½); powers of ten (1.5e3, 1.5 × 10^3); a sign;
/// currency signs, units and percent signs are ignored.</para>
/// <para>Times and ratios (3:45), dates, points, ranges, lists and powers such as 5^2 are not one number.</para>
/// </remarks>
public static partial class AnswerExtraction
{
    private const string Marker = "####";
    private const int LongestShown = 60;

    /// <summary>
    /// Extracts the final answer of a response as a number: after <c>####</c>; else in the last <c>\boxed{}</c>; else after <c>A:</c>, <c>Answer:</c>
    /// or <c>The answer is</c> where the number follows directly and does not begin a calculation; else the last number of the text. What follows
    /// an end-of-turn mark such as <c>&lt;|im_end|&gt;</c> does not count.
    /// </summary>
    /// <param name="text">A response; null counts as empty.</param>
    /// <returns>The number; null if there is none, or if the final answer is something else made of digits, such as a time or a date.</returns>
    public static AnswerNumber? FinalNumber(string? text) => Final(text).Number;

    /// <summary>
    /// Reads a gold answer as a number. It must be one number, alone or with a unit, or state one as a response does. A text with several numbers, a
    /// time, a ratio, a date, a range, a list or a term is not one number.
    /// </summary>
    /// <param name="text">A gold answer, alone or at the end of a worked solution; null counts as empty.</param>
    /// <returns>The number; null if the gold answer is not one.</returns>
    public static AnswerNumber? GoldNumber(string? text)
    {
        text = EndOfTurn.Cut(text ?? "");
        var part = StatedAnswer.Find(text)?.Part ?? Range.All;
        return OneNumber.Find(text, new NumberReader(text), part)?.Value;
    }

    /// <summary>Extracts the final answer of a response as a number and, for messages, as it is written.</summary>
    internal static (AnswerNumber? Number, string? Text) Final(string? text)
    {
        text = EndOfTurn.Cut(text ?? "");
        if (StatedAnswer.Find(text) is { } stated)
            return (stated.Number?.Value, Shown(stated.Number is { } number ? text[number.Start..number.End] : text[stated.Part]));
        var numbers = new NumberReader(text);
        NumberToken? last = null;
        for (var token = numbers.Next(0, text.Length); token is not null; token = numbers.Next(token.Value.End, text.Length)) last = token;
        return last is { } final ? (final.Value, Shown(text[final.Start..final.End])) : default;
    }

    private static string? Shown(string text) => text.Trim() is { Length: > 0 and <= LongestShown } shown && shown.Any(char.IsDigit) ? shown : null;

    /// <summary>The published evaluation's result for a text without a number.</summary>
    public const string PublishedInvalid = "[invalid]";

    /// <summary>
    /// Extracts the answer of a model's response as the published evaluation does: the first number between the first <c>####</c> and the next,
    /// or the last number if there is no marker; without commas and without one trailing period.
    /// </summary>
    /// <param name="text">The response.</param>
    /// <returns>The number as a string, or <see cref="PublishedInvalid"/>.</returns>
    public static string PublishedModelAnswer(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split(Marker);
        var numbers = PublishedNumber().Matches(parts[parts.Length > 1 ? 1 : 0].Replace(",", "", StringComparison.Ordinal));
        if (numbers.Count == 0) return PublishedInvalid;
        var answer = numbers[parts.Length > 1 ? 0 : ^1].Value;
        return answer.EndsWith('.') ? answer[..^1] : answer;
    }

    /// <summary>
    /// Extracts a gold answer as the published evaluation does: the digits, commas and periods after <c>"#### "</c>, without the commas.
    /// </summary>
    /// <param name="text">The gold answer.</param>
    /// <returns>The number as a string, or null if there is none.</returns>
    public static string? PublishedGoldAnswer(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var match = PublishedGold().Match(text);
        return match.Success ? match.Groups[1].Value.Replace(",", "", StringComparison.Ordinal) : null;
    }

    [GeneratedRegex(@"-?\d+\.?\d*")]
    private static partial Regex PublishedNumber();

    [GeneratedRegex(@"#### (-?[0-9.,]+)")]
    private static partial Regex PublishedGold();
}
