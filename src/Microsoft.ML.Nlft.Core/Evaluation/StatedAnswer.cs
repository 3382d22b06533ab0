namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>
/// Finds where a worked solution states its answer. In this order: a line marked <c>####</c>; the last <c>\boxed{}</c>; the first line that begins
/// with <c>A:</c>, <c>Answer:</c> or <c>The answer is</c>, also as a heading or in bold; the last "answer is" within a line.
/// </summary>
/// <remarks>
/// A label counts only where a number follows it directly and is not the first operand of a calculation: "A: 18 dollars in 3 days" states 18,
/// "A: 3 + 4 = 7 pens" begins a solution. Headings such as "#### Step 1: ..." are no markers. The time is linear in the length of the text.
/// </remarks>
internal sealed class StatedAnswer
{
    private const string Marker = "####", Boxed = "\\boxed", Answer = "answer";
    private const string Lead = " \t*_`~(){}[]:=$\\\"“|>≈：";
    private const int LongestSentence = 2 * AnswerNumber.MaximumLength;

    private static readonly HashSet<string> s_labels =
    [
        .. from opening in (string[])["", "so ", "thus ", "hence ", "therefore "]
           from article in (string[])["", "the ", "my ", "our "]
           from final in (string[])["", "final "]
           from noun in (string[])[Answer, "ans", "result"]
           from verb in (string[])["", " is"]
           select $"{opening}{article}{final}{noun}{verb}",
    ];
    private static readonly HashSet<string> s_parts =
        Words("step part case question problem method solution option example approach task phase stage");
    private static readonly HashSet<string> s_operators = Words("less minus plus times divided multiplied and so then");
    private static readonly HashSet<string> s_results = Words("make makes leave leaves give gives equal equals is are");
    private static readonly HashSet<string> s_reasons = Words("because since as for");

    private readonly string _text;
    private readonly NumberReader _numbers;
    private readonly int _end;

    private StatedAnswer(string text) => (_text, _numbers, _end) = (text, new NumberReader(text), text.TrimEnd().Length);

    /// <summary>Returns the part of a text that states the answer, and its number if it has one; null: the text has no such part.</summary>
    /// <param name="text">A worked solution.</param>
    public static (Range Part, NumberToken? Number)? Find(string text)
    {
        var stated = new StatedAnswer(text);
        return stated.Marked() ?? stated.InBox() ?? stated.Labelled() ?? stated.WithinALine();
    }

    private (Range Part, NumberToken? Number)? Marked()
    {
        (Range, NumberToken?)? onTheLine = null;
        var (headings, end) = (0, -1);
        for (var mark = _text.IndexOf(Marker, StringComparison.Ordinal); mark >= 0; mark = _text.IndexOf(Marker, mark, StringComparison.Ordinal))
        {
            while (mark < _text.Length && _text[mark] == '#') mark++;
            var start = SkipLead(mark, acrossLines: true);
            if (_numbers.At(start, _text.Length) is { } number)
            {
                var line = EndOfLine(number.End);
                if (!IsHeading(number, line, headings + 1)) return (start..line, Calculated(number, line));
                headings++;
            }
            else if (mark > end) // the first marker of a line
            {
                end = EndOfLine(mark);
                onTheLine ??= OnTheLine(mark, end);
            }
        }
        return onTheLine;
    }

    /// <summary>
    /// The first number on a marker's line, or below a line such as "#### Final answer". A line without either is a heading, unless it is the last
    /// one: then the answer is no number.
    /// </summary>
    private (Range Part, NumberToken? Number)? OnTheLine(int mark, int end)
    {
        var names = _text.AsSpan(mark, end - mark).Contains(Answer, StringComparison.OrdinalIgnoreCase);
        if (end < _end && !names) return null;
        if (_numbers.Next(mark, end) is { } number) return FollowsPart(number) ? null : (mark..end, number);
        return end >= _end ? (mark..end, null) : Below(end);
    }

    /// <summary>Whether a number after a marker counts headings: "#### 1. Find the price" where it is the first such line.</summary>
    private bool IsHeading(NumberToken number, int end, int next) => number.Value == new AnswerNumber(next, 1) && end < _end
        && number.End + 2 < end && _text[number.End] is '.' or ')' or ':' && _text[number.End + 1] == ' ' && char.IsLetter(_text[number.End + 2]);

    private bool FollowsPart(NumberToken number)
    {
        var end = number.Start;
        while (end > 0 && _text[end - 1] == ' ') end--;
        var start = end;
        while (start > 0 && char.IsAsciiLetter(_text[start - 1]) && end - start < 12) start--;
        return s_parts.Contains(_text[start..end].ToLowerInvariant());
    }

    /// <summary>The result of a calculation that begins with a number: what follows its last equals sign; else the number.</summary>
    private NumberToken Calculated(NumberToken number, int end)
    {
        end = Sentence(number.End, end);
        var rest = _text.AsSpan(number.End, end - number.End);
        var equals = rest.LastIndexOf('=');
        return equals < 0 || rest[..equals].IndexOfAny("(,;") >= 0 ? number : _numbers.Next(number.End + equals + 1, end) ?? number;
    }

    /// <summary>The content of the box that begins last and is closed.</summary>
    private (Range Part, NumberToken? Number)? InBox()
    {
        if (!_text.Contains(Boxed, StringComparison.Ordinal)) return null;
        Range? last = null;
        var open = new Stack<int>();
        for (var at = 0; at < _text.Length; at++)
        {
            if (_text[at] is not ('{' or '}') || (at > 0 && _text[at - 1] == '\\')) continue;
            if (_text[at] == '{')
            {
                open.Push(at);
            }
            else if (open.TryPop(out var start) && (last is null || start >= last.Value.Start.Value)
                && _text.AsSpan(0, start).TrimEnd(' ').EndsWith(Boxed) && !_text.AsSpan(start + 1, at - start - 1).IsWhiteSpace())
            {
                last = (start + 1)..at;
            }
        }
        return last is { } part ? (part, OneNumber.Find(_text, _numbers, part)) : null;
    }

    private (Range Part, NumberToken? Number)? Labelled()
    {
        var isChoice = _text.StartsWith("B:", StringComparison.Ordinal) || _text.Contains("\nB:", StringComparison.Ordinal);
        for (var line = 0; line < _text.Length; line = EndOfLine(line) + 1)
        {
            if (Label(line, isChoice) is not { } after) continue;
            var start = SkipLead(after, acrossLines: false);
            if ((start >= _text.Length || _text[start] is '\n' or '\r' ? Below(start) : Statement(start)) is { } stated) return stated;
        }
        return null;
    }

    /// <summary>Returns where the label at the start of a line ends; null: the line has none.</summary>
    private int? Label(int line, bool isChoice)
    {
        var start = line;
        while (start < _text.Length && " \t#*_>`-".Contains(_text[start])) start++;
        var end = start;
        while (end < _text.Length && end - start < 40 && (char.IsAsciiLetter(_text[end]) || _text[end] is ' ' or ',')) end++;
        var words = _text[start..end].TrimEnd();
        while (end < _text.Length && _text[end] is '*' or '_' or '`' or ' ') end++;
        var (atEnd, colon) = (end >= _text.Length || _text[end] is '\n' or '\r', end < _text.Length && _text[end] is ':' or '=' or '：');
        if (words == "A") return colon && !isChoice ? end + 1 : null;
        words = words.Replace(",", "", StringComparison.Ordinal).ToLowerInvariant();
        return !s_labels.Contains(words) ? null : colon ? end + 1 : atEnd || words.EndsWith(" is", StringComparison.Ordinal) ? end : null;
    }

    private (Range Part, NumberToken? Number)? WithinALine()
    {
        for (var at = _text.Length; at > 0;)
        {
            at = _text.LastIndexOf(Answer, at - 1, StringComparison.OrdinalIgnoreCase);
            if (at < 0) return null;
            var after = at + Answer.Length;
            while (after < _text.Length && _text[after] is ' ' or '*' or '_') after++;
            var rest = _text.AsSpan(after);
            var length = rest.StartsWith("is ") || rest.StartsWith("is:") ? 2 : rest.StartsWith(":") || rest.StartsWith("=") ? 1 : 0;
            if (length > 0 && Statement(SkipLead(after + length, acrossLines: false)) is { } stated) return stated;
        }
        return null;
    }

    /// <summary>The statement in the first line below that is not empty.</summary>
    private (Range Part, NumberToken? Number)? Below(int end)
    {
        while (end < _text.Length && char.IsWhiteSpace(_text[end])) end++;
        return Statement(SkipLead(end, acrossLines: false));
    }

    /// <summary>The sentence at a place, if it begins with its answer.</summary>
    private (Range Part, NumberToken? Number)? Statement(int start)
    {
        if (_numbers.At(start, _text.Length) is not { } number) return null;
        var limit = Math.Min(_text.Length, number.End + LongestSentence);
        var calculates = _numbers.Next(number.End, limit) is { } next && Sentence(number.End, next.Start) == next.Start
            && BeginsCalculation(number, next, limit);
        return calculates ? null : (number.Start..Sentence(number.End, limit), number);
    }

    /// <summary>
    /// Whether a sentence that begins with a number calculates: by an operator before the second number, or by a result before a later one.
    /// </summary>
    private bool BeginsCalculation(NumberToken first, NumberToken second, int limit)
    {
        var words = WordsBetween(first, second);
        if (words.Any(s_reasons.Contains)) return false;
        if (IsOperator(first, second) || words.Any(s_operators.Contains)) return true;
        var end = Sentence(second.End, limit);
        for (NumberToken? right = second; right is { } to; (first, right) = (to, _numbers.Next(to.End, end)))
        {
            if (WordsBetween(first, to) is var between && (between.Any(s_results.Contains) || between.Any(word => word.Contains('=')))) return true;
        }
        return false;
    }

    private bool IsOperator(NumberToken first, NumberToken second)
    {
        var between = _text.AsSpan(first.End, second.Start - first.End);
        if (between.IsWhiteSpace()) return second.IsSigned;
        between = between.Trim(" \t()[]{}$\\_~");
        if (between.IsEmpty) return false;
        if ("=+*×÷/·⋅x".Contains(between[^1]) || NumberReader.IsMinus(between[^1])) return true;
        if (between is "% of" or "%\\ of" or "percent of" || (between is "of" && first.Value?.Denominator.IsOne == false)) return true; // 10% of 50
        return between.EndsWith("\\times") || between.EndsWith("\\cdot") || between.EndsWith("\\div");
    }

    private string[] WordsBetween(NumberToken first, NumberToken second) => _text[first.End..second.Start].ToLowerInvariant()
        .Split([' ', ',', '\t'], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Skips what may stand between a marker and its number: white space, brackets, emphasis, the signs of LaTeX.</summary>
    private int SkipLead(int at, bool acrossLines)
    {
        for (; at < _text.Length; at++)
        {
            var letter = _text[at];
            var isCommand = letter == '\\' && at + 1 < _text.Length && char.IsLetter(_text[at + 1]);
            if (isCommand || !(Lead.Contains(letter) || (acrossLines && letter is '\n' or '\r'))) break;
        }
        return at;
    }

    /// <summary>Returns where the sentence ends that goes on at a place: at its full stop or the end of its line.</summary>
    private int Sentence(int at, int end)
    {
        var limit = Math.Min(end, at + LongestSentence);
        for (; at < limit; at++)
        {
            if (_text[at] == '\n') return at;
            if (_text[at] is '.' or '!' or '?' or ';' && (at + 1 >= _text.Length || char.IsWhiteSpace(_text[at + 1]))) return at;
        }
        return limit;
    }

    private static HashSet<string> Words(string words) => [.. words.Split(' ')];

    private int EndOfLine(int at) => at < _text.Length && _text.AsSpan(at).IndexOf('\n') is var length and >= 0 ? at + length : _text.Length;
}
