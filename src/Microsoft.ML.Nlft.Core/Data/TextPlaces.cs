using System.Text;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Tells line and column of places in a text, in ascending order, so that every byte is looked at once however many places there are.
/// </summary>
/// <param name="text">The text, UTF-8.</param>
internal sealed class TextPlaces(ReadOnlyMemory<byte> text)
{
    private int _at, _line = 1, _column = 1;

    /// <summary>The line and the column (in UTF-16 characters) of a byte, both from 1.</summary>
    /// <param name="at">The byte's position: not below the one before.</param>
    public (int Line, int Column) At(int at)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(at, _at);
        var passed = text.Span[_at..Math.Min(at, text.Length)];
        if (passed.LastIndexOf((byte)'\n') is var end and >= 0)
        {
            (_line, _column) = (_line + passed[..(end + 1)].Count((byte)'\n'), 1);
            passed = passed[(end + 1)..];
        }
        _column += Encoding.UTF8.GetCharCount(passed);
        _at = Math.Min(at, text.Length);
        return (_line, _column);
    }
}
