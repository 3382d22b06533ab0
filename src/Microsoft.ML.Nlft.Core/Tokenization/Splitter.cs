namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>What happens to a match. The names are those of tokenizer.json.</summary>
internal enum SplitBehavior
{
    /// <summary>Matches are removed.</summary>
    Removed,

    /// <summary>Each match is a separate piece.</summary>
    Isolated,

    /// <summary>A match joins the piece before it; of consecutive matches only the first does.</summary>
    MergedWithPrevious,

    /// <summary>A match joins the piece after it; of consecutive matches only the last does.</summary>
    MergedWithNext,

    /// <summary>Consecutive matches are one piece.</summary>
    Contiguous,
}

/// <summary>Splits fragments at the matches of a pattern.</summary>
internal sealed class Splitter(IMatcher matcher, SplitBehavior behavior, bool invert)
{
    public void Split(Fragment fragment, List<Fragment> pieces)
    {
        foreach (var (start, end) in Ranges(fragment.Text, fragment.Budget))
        {
            if (start < end) pieces.Add(fragment.Slice(start, end));
        }
    }

    internal List<(int Start, int End)> Ranges(string text, TextBudget budget)
    {
        var spans = Spans(text, budget);
        if (behavior == SplitBehavior.MergedWithNext) spans.Reverse();

        var ranges = new List<(int Start, int End)>(spans.Count);
        var afterMatch = false;
        foreach (var (start, end, isMatch) in spans)
        {
            var joins = behavior switch
            {
                SplitBehavior.MergedWithPrevious or SplitBehavior.MergedWithNext => isMatch && !afterMatch,
                SplitBehavior.Contiguous => isMatch == afterMatch,
                _ => false,
            };
            if (joins && ranges.Count > 0) ranges[^1] = (Math.Min(ranges[^1].Start, start), Math.Max(ranges[^1].End, end));
            else if (!(isMatch && behavior == SplitBehavior.Removed)) ranges.Add((start, end));

            afterMatch = isMatch;
        }

        if (behavior == SplitBehavior.MergedWithNext) ranges.Reverse();

        return ranges;
    }

    /// <summary>Divides the text into matches and the gaps between them; <c>invert</c> swaps the two.</summary>
    private List<(int Start, int End, bool IsMatch)> Spans(string text, TextBudget budget)
    {
        var matches = new List<(int Start, int End)>();
        matcher.Find(text, matches, budget);
        var spans = new List<(int, int, bool)>((2 * matches.Count) + 1);
        var last = 0;
        foreach (var (start, end) in matches)
        {
            if (last < start) spans.Add((last, start, invert));

            spans.Add((start, end, !invert));
            last = end;
        }

        if (last < text.Length) spans.Add((last, text.Length, invert));

        return spans;
    }
}
