using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>Finds the final answer in a worked solution: as a number, or as the string that the published evaluation of NLFT compares.</summary>
public static partial class AnswerExtraction
{
    private const string Marker = "####";

    /// <summary>
    /// The final answer of a solution as a number, or null when there is none. With a marker <c>####</c>: the number right after the first
    /// marker that has one, else the first number later on a marker's line. Without: the number right after <c>A:</c> at the start of a line,
    /// else the last number of the text.
    /// </summary>
    /// <param name="text">A response or a gold answer; null counts as empty.</param>
    public static AnswerNumber? FinalNumber(string? text)
    {
        text ??= "";
        if (text.Contains(Marker, StringComparison.Ordinal)) return AfterMarker(text, RightAfter()) ?? AfterMarker(text, RestOfLine());
        return AfterMarker(text, AfterAnswerLabel()) ?? LastNumber(text);
    }

    /// <summary>Blanks, brackets and emphasis between a marker and its number; they may span lines.</summary>
    [GeneratedRegex(@"####[\s*_(\[{:=]*")]
    private static partial Regex RightAfter();

    [GeneratedRegex(@"####[^\n0-9]*(?<![-\u2212$.])")]
    private static partial Regex RestOfLine();

    [GeneratedRegex(@"^[ \t]*A:[ \t]*", RegexOptions.Multiline)]
    private static partial Regex AfterAnswerLabel();

    /// <summary>The number that begins where a match of <paramref name="lead"/> ends, for the first match that has one.</summary>
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

    /// <summary>What the published evaluation gives for a text without a number.</summary>
    public const string PublishedInvalid = "[invalid]";

    /// <summary>
    /// The published reading of a model's response, a string: after the first <c>####</c> (up to the next) the first number, without a marker the
    /// last number; commas removed, one trailing period removed, <see cref="PublishedInvalid"/> without a number.
    /// </summary>
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
    /// The published reading of a gold answer, a string: the digits, commas and periods after <c>"#### "</c>, commas removed; null without them.
    /// </summary>
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
