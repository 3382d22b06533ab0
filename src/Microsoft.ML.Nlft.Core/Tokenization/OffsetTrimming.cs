namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Leaves the spaces at the ends of byte-level tokens out of their offsets.</summary>
/// <param name="KeepsFirst">Whether a single space before the first token stays, because add_prefix_space may have put it there.</param>
internal sealed record OffsetTrimming(bool KeepsFirst)
{
    private static readonly char Space = ByteAlphabet.ToCharacter((byte)' ');

    /// <summary>Returns the trimmed range of a token.</summary>
    /// <param name="token">The token in the byte alphabet, or the matched text of an added token.</param>
    /// <param name="origin">Its range in the text.</param>
    /// <param name="isFirst">Whether it is the first token.</param>
    public Range Trim(string token, Range origin, bool isFirst)
    {
        var (start, end) = (origin.Start.Value, origin.End.Value);
        var (left, right) = (token.TakeWhile(IsSpace).Count(), token.Reverse().TakeWhile(IsSpace).Count());
        if (left == 1 && KeepsFirst && (isFirst || start == 0)) left = 0;

        start = Math.Min(start + left, end);
        return start..(end >= right ? Math.Max(end - right, start) : end);
    }

    private static bool IsSpace(char unit) => unit == Space || char.IsWhiteSpace(unit);
}
