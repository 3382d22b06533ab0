using System.Text;
using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>
/// Divides an answer that arrives in pieces into text, which is passed on at once, and calls, which are passed on whole at the end. Text that may
/// become a call is held back until then.
/// </summary>
internal sealed class ToolCallText(ToolFormat format, Func<string> newId)
{
    private readonly StringBuilder _held = new();
    private bool _began, _isText, _isCall;

    /// <summary>Appends a piece.</summary>
    /// <returns>The text that is certainly no call.</returns>
    public string Append(string piece)
    {
        _held.Append(piece);
        if (_isCall) return "";
        var held = _held.ToString();
        var end = _isText ? held.Length : SafeLength(held);
        if (!_began && string.IsNullOrWhiteSpace(held[..end])) return ""; // white space before a call is part of its form
        _began |= end > 0;
        _isText |= format.AnswerIsCall && end > 0;
        _held.Clear().Append(held, end, held.Length - end);
        return held[..end];
    }

    /// <summary>Ends the answer.</summary>
    /// <returns>The calls, and text that was held back, in order.</returns>
    public List<AIContent> Finish() => format.Read(_held.ToString(), newId);

    /// <summary>
    /// Returns how much of a text is before what is, or may become, the beginning of a call. Once it is one, all that follows is held.
    /// </summary>
    private int SafeLength(string text)
    {
        if (format.AnswerIsCall)
        {
            var start = text.TrimStart();
            _isCall = format.Begins.Any(begin => start.StartsWith(begin, StringComparison.Ordinal));
            return _isCall || format.Begins.Any(begin => begin.StartsWith(start, StringComparison.Ordinal)) ? 0 : text.Length;
        }
        var mark = format.Begins[0];
        var at = text.IndexOf(mark, StringComparison.Ordinal);
        _isCall = at >= 0;
        if (_isCall) return at;
        var length = Math.Min(mark.Length - 1, text.Length);
        while (!mark.StartsWith(text[^length..], StringComparison.Ordinal)) length--;
        return text.Length - length;
    }
}
