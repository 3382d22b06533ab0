using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>Extracts the final answer from a worked solution: as a number, or as the string that NLFT's published evaluation compares.</summary>
public static partial class AnswerExtraction
{
    private const string Marker = "####";

    /// <summary>
    /// Extracts the final answer of a solution as a number. With a marker <c>####</c>: the number right after the first marker that has one,
    /// else the first number later on a marker's line. Without a marker: the number right after <c>A:</c> at the start of a line, else the last
    /// number of the text.
    /// </summary>
    /// <param name="text">A response or a gold answer; null counts as empty.</param>
    /// <returns>The number, or null if there is none.</returns>
    public static AnswerNumber? FinalNumber(string? text)
    {
        text ??= "";
        if (text.Contains(Marker, StringComparison.Ordinal)) return AfterMarker(text, RightAfter()) ?? AfterMarker(text, RestOfLine());
        return AfterMarker(text, AfterAnswerLabel()) ?? LastNumber(text);
    }

    /// <summary>Matches a marker with the blanks, brackets and emphasis before its number, also across lines.</summary>
    [GeneratedRegex(@"####[\s*_(\[{:=]*")]
    private static partial Regex RightAfter();

    [GeneratedRegex(@"####[^\n0-9]*(?<![-\u2212$.])")]
    private static partial Regex RestOfLine();

    [GeneratedRegex(@"^[ \t]*A:[ \t]*", RegexOptions.Multiline)]
    private static partial Regex AfterAnswerLabel();

    /// <summary>Returns the number that starts where a match of <paramref name="lead"/> ends, for the first match with one.</summary>
    private static AnswerNumber? AfterMarker(string text, Regex lead)
    {
        for (var start = lead.Match(text); start.Success; start = start.NextMatch())
        {
            var end = start.Index + start.Length;
            var match = AnswerNumber.Pattern().Match(text, end);
            if (match.Success && match.Index == end && AnswerNumber.TryCreate(match, out var number)) return number;
        }
        return null;
    }

    private static AnswerNumber? LastNumber(string text)
    {
        AnswerNumber? last = null;
        for (var match = AnswerNumber.Pattern().Match(text); match.Success; match = match.NextMatch())
        {
            last = AnswerNumber.TryCreate(match, out var number) ? number : null;
        }
        return last;
    }

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
