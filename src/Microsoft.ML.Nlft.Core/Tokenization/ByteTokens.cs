using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Implements byte fallback: the tokens <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c> of a vocabulary.</summary>
internal sealed class ByteTokens
{
    private readonly int[] _ids;

    public ByteTokens(Vocabulary vocabulary) =>
        _ids = [.. Enumerable.Range(0, 256).Select(b => vocabulary[string.Create(CultureInfo.InvariantCulture, $"<0x{b:X2}>")])];

    /// <summary>Returns the tokens of a text's UTF-8 bytes, or null if the vocabulary lacks one of them.</summary>
    public int[]? Of(ReadOnlySpan<char> text)
    {
        var utf8 = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, utf8);
        var ids = Array.ConvertAll(utf8, b => _ids[b]);
        return Array.IndexOf(ids, -1) < 0 ? ids : null;
    }
}
