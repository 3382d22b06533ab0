namespace Microsoft.ML.Nlft.Common;

/// <summary>
/// Searches a text for a part in linear time, whatever the two are: D. Knuth, J. Morris, V. Pratt, Fast pattern matching in strings, SIAM Journal on
/// Computing 6 (1977).
/// </summary>
internal sealed class TextSearch
{
    private readonly string _text, _part;
    private readonly int[] _borders; // [i]: length of the longest proper prefix of the first i + 1 characters of the part that also ends them

    /// <summary>Prepares a search.</summary>
    /// <param name="text">The text.</param>
    /// <param name="part">What to find; may be empty, which every place matches.</param>
    public TextSearch(string text, string part)
    {
        (_text, _part) = (text, part);
        _borders = new int[part.Length > text.Length ? 0 : part.Length];
        for (int i = 1, matched = 0; i < _borders.Length; i++)
        {
            while (matched > 0 && part[i] != part[matched]) matched = _borders[matched - 1];
            if (part[i] == part[matched]) matched++;
            _borders[i] = matched;
        }
    }

    /// <summary>Returns the first place of the part from an offset on, or -1.</summary>
    public int Next(int from = 0) => Find(from, last: false);

    /// <summary>Returns the last place of the part, or -1.</summary>
    public int Last() => Find(0, last: true);

    /// <summary>Counts the places that do not overlap, from the start.</summary>
    public long Count()
    {
        var count = 0L;
        for (var i = Next(); i >= 0; i = Next(i + _part.Length)) count++;
        return count;
    }

    private int Find(int from, bool last)
    {
        if (_part.Length > _text.Length - from) return -1;
        if (_part.Length == 0) return last ? _text.Length : from;
        var (found, matched) = (-1, 0);
        for (var i = from; i < _text.Length; i++)
        {
            while (matched > 0 && _text[i] != _part[matched]) matched = _borders[matched - 1];
            if (matched == 0)
            {
                var distance = _text.AsSpan(i).IndexOf(_part[0]);
                if (distance < 0) return found;
                i += distance;
            }

            if (++matched < _part.Length) continue;
            found = i + 1 - matched;
            if (!last) return found;
            matched = _borders[matched - 1];
        }

        return found;
    }
}
