namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Maps bytes to GPT-2's alphabet of visible characters: 21-7E, A1-AC and AE-FF map to themselves, the other 68, in order, to U+0100 to U+0143.
/// </summary>
internal static class ByteAlphabet
{
    private const int Size = 256;
    private const int FirstSubstitute = 0x100;

    private static readonly char[] Characters = Build();
    private static readonly short[] Bytes = Invert();

    /// <summary>Returns the character of a byte.</summary>
    public static char ToCharacter(byte value) => Characters[value];

    /// <summary>Returns the byte of a character, or -1.</summary>
    public static int ToByte(char character) => character < Bytes.Length ? Bytes[character] : -1;

    private static char[] Build()
    {
        var next = FirstSubstitute;
        return [.. Enumerable.Range(0, Size).Select(b => (char)(b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE ? b : next++))];
    }

    private static short[] Invert()
    {
        var bytes = new short[Characters.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (var b = 0; b < Size; b++) bytes[Characters[b]] = (short)b;

        return bytes;
    }
}
