using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Implements Precompiled: the map of characters that SentencePiece compiles into a double array (Darts-clone), applied as Hugging Face does. A
/// grapheme cluster of fewer than six UTF-8 bytes is replaced as a whole by what the map has for the shortest text that it begins with; otherwise
/// each of its characters is looked up.
/// </summary>
internal sealed class PrecompiledNormalizer : INormalizer
{
    private const int SizeBytes = 4, ShortGrapheme = 6;

    private readonly JsonPlace _place;
    private readonly uint[] _units;
    private readonly byte[] _texts;

    private PrecompiledNormalizer(JsonPlace place, uint[] units, byte[] texts) => (_place, _units, _texts) = (place, units, texts);

    /// <summary>Reads precompiled_charsmap: in base64 the size of the array in bytes, the array, and texts that end with a zero byte.</summary>
    /// <param name="place">The place of the map.</param>
    /// <exception cref="NlftException">The map is no base64, or shorter than it says.</exception>
    public static PrecompiledNormalizer Read(JsonPlace place)
    {
        const string expected = "a character map of SentencePiece in base64";
        byte[]? bytes = null;
        if (place.String() is not null && !place.Value.TryGetBytesFromBase64(out bytes)) throw place.Refuse(expected);

        var size = bytes!.Length < SizeBytes ? uint.MaxValue : BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (size % SizeBytes != 0 || size == 0 || size > bytes.Length - SizeBytes) throw place.Refuse(expected + ", as long as it says");

        var units = new uint[size / SizeBytes];
        for (var i = 0; i < units.Length; i++) units[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(SizeBytes * (i + 1)));

        return new PrecompiledNormalizer(place, units, bytes[(SizeBytes + (int)size)..]);
    }

    public Fragment Normalize(Fragment fragment)
    {
        var text = new Fragment.Builder(fragment);
        for (int start = 0, end; start < fragment.Text.Length; start = end)
        {
            end = start + StringInfo.GetNextTextElementLength(fragment.Text, start);
            if (!(Encoding.UTF8.GetByteCount(fragment.Text.AsSpan(start, end - start)) < ShortGrapheme && TryReplace(fragment, start, end, text)))
            {
                for (int i = start, next; i < end; i = next)
                {
                    next = i + fragment.RuneAt(i).Utf16SequenceLength;
                    if (!TryReplace(fragment, i, next, text)) text.Copy(fragment, i, next);
                }
            }
        }

        return text.Build();
    }

    private bool TryReplace(Fragment fragment, int start, int end, Fragment.Builder text)
    {
        if (Find(fragment.Text.AsSpan(start, end - start)) is not { } replacement) return false;

        // Character by character; what the replacement has more comes from the last one.
        foreach (var rune in replacement.EnumerateRunes())
        {
            var next = start + fragment.RuneAt(start).Utf16SequenceLength;
            text.Append(rune, fragment.StartOf(start), fragment.EndOf(next - 1));
            if (next < end) start = next;
        }

        return true;
    }

    /// <summary>Returns the replacement of the shortest entry that a text begins with, or null.</summary>
    private string? Find(ReadOnlySpan<char> text)
    {
        Span<byte> utf8 = stackalloc byte[ShortGrapheme];
        var position = Offset(Unit(0));
        foreach (var b in utf8[..Encoding.UTF8.GetBytes(text, utf8)])
        {
            position ^= b;
            if (b == 0 || (Unit(position) is var unit && (unit & 0x8000_00FF) != b)) return null;

            position ^= Offset(unit);
            if ((unit >> 8 & 1) == 1) return Text(Unit(position) & 0x7FFF_FFFF);
        }

        return null;
    }

    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);

    private uint Unit(uint position) => position < _units.Length ? _units[position] : throw Damaged();

    private string Text(uint start)
    {
        if (start > _texts.Length) throw Damaged();

        var text = _texts.AsSpan((int)start);
        var end = text.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? text : text[..end]);
    }

    private NlftException Damaged() =>
        new(_place.Subject, "a character map that points outside itself", "the character map of SentencePiece", _place.Source.FileRemedy);
}
