using System.Text;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// A text that grows piece by piece until a stop string appears in it, wherever the pieces meet. What may yet turn out to be the
/// beginning of a stop string is held back from <see cref="Take"/>.
/// </summary>
internal sealed class StopStringText(IReadOnlyList<string> stopStrings)
{
    private readonly StringBuilder _text = new();
    private readonly int _longest = stopStrings.Select(s => s.Length).DefaultIfEmpty(0).Max();
    private int _taken;

    /// <summary>Whether a stop string was found: the text ends before it and grows no more.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Adds a piece; the stop string that begins first ends the text.</summary>
    public void Append(string piece)
    {
        if (Stopped) return;
        var searchFrom = Math.Max(0, _text.Length - (_longest - 1));
        _text.Append(piece);
        if (_longest == 0) return;
        var tail = _text.ToString(searchFrom, _text.Length - searchFrom);
        var found = stopStrings.Select(stop => tail.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        if (found < 0) return;
        Stopped = true;
        _text.Length = searchFrom + found;
    }

    /// <summary>The text added since the last call that can no longer become part of a stop string.</summary>
    /// <param name="final">Whether the text is complete, so that nothing needs to be held back.</param>
    public string Take(bool final)
    {
        var end = final || Stopped ? _text.Length : _text.Length - HeldBack();
        if (end <= _taken) return "";
        var piece = _text.ToString(_taken, end - _taken);
        _taken = end;
        return piece;
    }

    /// <summary>All of the text so far.</summary>
    public override string ToString() => _text.ToString();

    /// <summary>Length of the longest ending of the text that is a beginning of a stop string.</summary>
    private int HeldBack()
    {
        var length = Math.Min(_longest - 1, _text.Length);
        if (length <= 0) return 0;
        var tail = _text.ToString(_text.Length - length, length);
        while (length > 0 && !stopStrings.Any(stop => stop.StartsWith(tail[^length..], StringComparison.Ordinal))) length--;
        return length;
    }
}
