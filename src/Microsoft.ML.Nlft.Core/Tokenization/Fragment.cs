using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// A run of text in the normalization and pre-tokenization pipeline. It maps each of its UTF-16 units to the range of the input text that the
/// unit came from.
/// </summary>
internal sealed class Fragment
{
    private readonly int[]? _starts;
    private readonly int[]? _ends;
    private readonly int _first;

    /// <summary>Creates a fragment of unchanged input text that starts at <paramref name="origin"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="origin">Its offset in the input text.</param>
    /// <param name="budget">What the call may do, which all fragments made of this one share; null: that of a call with this text.</param>
    public Fragment(string text, int origin, TextBudget? budget = null) => (Text, _first, Budget) = (text, origin, budget ?? new(text.Length));

    private Fragment(string text, int[]? starts, int[]? ends, int first, TextBudget budget) =>
        (Text, _starts, _ends, _first, Budget) = (text, starts, ends, first, budget);

    /// <summary>Gets what the call may do.</summary>
    public TextBudget Budget { get; }

    public string Text { get; }

    /// <summary>Gets the id of the added token that this fragment is, or null for text to tokenize.</summary>
    public int? TokenId { get; private init; }

    public Rune RuneAt(int index) => Rune.GetRuneAt(Text, index);

    public int StartOf(int index) => _starts is null ? _first + index : _starts[_first + index];

    public int EndOf(int index) => _ends is null ? _first + index + 1 : _ends[_first + index];

    /// <summary>Returns the input range of the units from <paramref name="start"/> to <paramref name="end"/> (exclusive, not empty).</summary>
    public Range OriginOf(int start, int end) => StartOf(start)..EndOf(end - 1);

    public Fragment Slice(int start, int end) =>
        start == 0 && end == Text.Length ? this : new(Text[start..end], _starts, _ends, _first + start, Budget);

    public Fragment AsToken(int id) => new(Text, _starts, _ends, _first, Budget) { TokenId = id };

    /// <summary>Returns another text of the same length with the same origins, unit by unit.</summary>
    public Fragment WithText(string text) => new(text, _starts, _ends, _first, Budget);

    /// <summary>Prepends a text, whose origin is that of the first character.</summary>
    public Fragment Prepend(string prefix)
    {
        var text = new Builder(this);
        text.Append(prefix, StartOf(0), EndOf(RuneAt(0).Utf16SequenceLength - 1));
        text.Copy(this, 0, Text.Length);
        return text.Build();
    }

    /// <summary>Replaces every match; the origin of the replacement is the last character of the match, as in Hugging Face.</summary>
    public Fragment Replace(IMatcher matcher, string replacement)
    {
        var matches = new List<(int Start, int End)>();
        matcher.Find(Text, matches, Budget);
        if (matches.Count == 0) return this;

        var text = new Builder(this);
        var last = 0;
        foreach (var (start, end) in matches)
        {
            text.Copy(this, last, start);
            var from = end - (end > 1 && char.IsLowSurrogate(Text[end - 1]) ? 2 : 1);
            text.Append(replacement, from < 0 ? StartOf(0) : StartOf(from), from < 0 ? StartOf(0) : EndOf(end - 1));
            last = end;
        }

        text.Copy(this, last, Text.Length);
        return text.Build();
    }

    /// <summary>Builds what replaces a fragment, unit by unit, each with its origin. No unit is added that the budget does not allow.</summary>
    /// <param name="replaced">The fragment.</param>
    /// <param name="expected">The units that there will be, as far as that is known; 0: about as many as before.</param>
    internal sealed class Builder(Fragment replaced, int expected = 0)
    {
        private readonly StringBuilder _text = new(Math.Max(expected, replaced.Text.Length));
        private readonly List<int> _starts = new(Math.Max(expected, replaced.Text.Length));
        private readonly List<int> _ends = new(Math.Max(expected, replaced.Text.Length));

        public void Append(char unit, int start, int end)
        {
            replaced.Budget.Require(replaced.Text.Length, _text.Length + 1);
            _text.Append(unit);
            _starts.Add(start);
            _ends.Add(end);
        }

        public void Append(ReadOnlySpan<char> units, int start, int end)
        {
            replaced.Budget.Require(replaced.Text.Length, (long)_text.Length + units.Length);
            foreach (var unit in units) Append(unit, start, end);
        }

        public void Append(Rune rune, int start, int end)
        {
            Span<char> units = stackalloc char[2];
            Append(units[..rune.EncodeToUtf16(units)], start, end);
        }

        /// <summary>Copies units of another fragment with their origins.</summary>
        public void Copy(Fragment source, int start, int end)
        {
            for (var i = start; i < end; i++) Append(source.Text[i], source.StartOf(i), source.EndOf(i));
        }

        public Fragment Build()
        {
            replaced.Budget.Replace(replaced.Text.Length, _text.Length);
            return new(_text.ToString(), [.. _starts], [.. _ends], 0, replaced.Budget);
        }
    }
}
