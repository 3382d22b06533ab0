namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>The ranges of a text that came from a user, in which no added token is recognized.</summary>
internal sealed class PlainText
{
    private readonly int[] _starts, _ends; // disjoint, ascending

    /// <summary>Creates the set of ranges.</summary>
    /// <param name="ranges">Start and exclusive end of each, in any order.</param>
    public PlainText(IEnumerable<(int Start, int End)> ranges)
    {
        var (starts, ends) = (new List<int>(), new List<int>());
        foreach (var (start, end) in ranges.Where(range => range.Start < range.End).OrderBy(range => range.Start))
        {
            if (ends.Count > 0 && start <= ends[^1])
            {
                ends[^1] = Math.Max(ends[^1], end);
                continue;
            }

            starts.Add(start);
            ends.Add(end);
        }

        (_starts, _ends) = ([.. starts], [.. ends]);
    }

    /// <summary>Gets the empty set.</summary>
    public static PlainText None { get; } = new([]);

    /// <summary>Whether a range of the text overlaps one of these.</summary>
    public bool Overlaps(int start, int end)
    {
        if (_starts.Length == 0) return false;
        var found = Array.BinarySearch(_starts, end - 1); // the last range that starts before the end
        var last = found < 0 ? ~found - 1 : found;
        return last >= 0 && start < _ends[last];
    }
}
