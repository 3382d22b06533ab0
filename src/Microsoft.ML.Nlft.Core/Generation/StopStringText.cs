using System.Text;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// Collects text piece by piece until it contains a stop string, also across pieces. <see cref="Take"/> holds back what may be the beginning of
/// a stop string.
/// </summary>
internal sealed class StopStringText(IReadOnlyList<string> stopStrings)
{
    private readonly StringBuilder _text = new();
    private readonly int _longest = stopStrings.Select(s => s.Length).DefaultIfEmpty(0).Max();
    private int _taken;

    /// <summary>Gets whether a stop string was found. The text then ends before it and stays as it is.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Appends a piece. The stop string that starts first ends the text.</summary>
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

    /// <summary>Returns the text added since the last call that cannot be part of a stop string.</summary>
    /// <param name="final">Whether the text is complete, so that nothing is held back.</param>
    public string Take(bool final)
    {
        var end = final || Stopped ? _text.Length : _text.Length - HeldBack();
        if (end <= _taken) return "";
        var piece = _text.ToString(_taken, end - _taken);
        _taken = end;
        return piece;
    }

    /// <summary>Returns all text so far.</summary>
    public override string ToString() => _text.ToString();

    /// <summary>Computes the length of the longest suffix of the text that is a prefix of a stop string.</summary>
    private int HeldBack()
    {
        var length = Math.Min(_longest - 1, _text.Length);
        if (length <= 0) return 0;
        var tail = _text.ToString(_text.Length - length, length);
        while (length > 0 && !stopStrings.Any(stop => stop.StartsWith(tail[^length..], StringComparison.Ordinal))) length--;
        return length;
    }
}
