using System.Text;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// Follows a JSON text to know which names the members of its open objects have: a name that an object has may not come again. A schema's own names
/// cannot come twice; this is for those it leaves open.
/// </summary>
internal sealed class MemberNames
{
    private readonly Stack<HashSet<string>?> _open = new(); // the names of each open object; null: an array
    private readonly List<byte> _string = [];
    private bool _isInString, _isEscaped, _expectsName;

    /// <summary>Returns whether bytes would give an object a name that it has.</summary>
    public bool WouldRepeat(ReadOnlySpan<byte> bytes)
    {
        var quotes = bytes.Count((byte)'"');
        if (quotes == 0) return false;
        if (!_isInString || !_expectsName) return quotes >= (_isInString ? 3 : 2) && Copy().Read(bytes); // else no name ends here
        var (end, isEscaped) = (0, _isEscaped);
        for (; end < bytes.Length && (isEscaped || bytes[end] != '"'); end++) isEscaped = !isEscaped && bytes[end] == '\\';
        if (end == bytes.Length) return false;
        return _open.Peek()!.Contains(Name([.. _string, .. bytes[..end]])) || (quotes > 2 && Copy().Read(bytes));
    }

    /// <summary>Appends bytes that fit.</summary>
    public void Append(ReadOnlySpan<byte> bytes) => Read(bytes);

    /// <summary>Reads bytes and returns whether a name came twice.</summary>
    private bool Read(ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            if (_isInString)
            {
                if (!_isEscaped && value == '"')
                {
                    _isInString = false;
                    if (_expectsName && !_open.Peek()!.Add(Name([.. _string]))) return true;
                    _expectsName = false;
                }
                else
                {
                    _isEscaped = !_isEscaped && value == '\\';
                    if (_expectsName) _string.Add(value);
                }
                continue;
            }
            switch (value)
            {
                case (byte)'"':
                    _isInString = true;
                    _string.Clear();
                    break;
                case (byte)'{' or (byte)'[':
                    _open.Push(value == '{' ? [] : null);
                    _expectsName = value == '{';
                    break;
                case (byte)'}' or (byte)']':
                    _open.TryPop(out _);
                    _expectsName = false;
                    break;
                case (byte)',':
                    _expectsName = _open.TryPeek(out var names) && names is not null;
                    break;
            }
        }
        return false;
    }

    private static string Name(ReadOnlySpan<byte> bytes) => Encoding.Latin1.GetString(bytes);

    private MemberNames Copy()
    {
        var copy = new MemberNames { _isInString = _isInString, _isEscaped = _isEscaped, _expectsName = _expectsName };
        copy._string.AddRange(_string);
        foreach (var names in _open.Reverse()) copy._open.Push(names is null ? null : [.. names]);
        return copy;
    }
}
