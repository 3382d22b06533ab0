namespace Microsoft.ML.Nlft.Grammars;

/// <summary>A set of bytes.</summary>
internal readonly record struct ByteSet(ulong A, ulong B, ulong C, ulong D)
{
    /// <summary>Creates the set of the bytes from <paramref name="first"/> to <paramref name="last"/>.</summary>
    public static ByteSet Range(int first, int last)
    {
        Span<ulong> words = stackalloc ulong[4];
        for (var value = first; value <= last; value++) words[value >> 6] |= 1UL << (value & 63);
        return new(words[0], words[1], words[2], words[3]);
    }

    /// <summary>Creates the set of the characters of an ASCII text.</summary>
    public static ByteSet Of(string ascii) => ascii.Aggregate(default(ByteSet), (set, character) => set | Range(character, character));

    public static ByteSet operator |(ByteSet one, ByteSet other) => new(one.A | other.A, one.B | other.B, one.C | other.C, one.D | other.D);

    /// <summary>Returns the bytes that are not in <paramref name="other"/>.</summary>
    public ByteSet Without(ByteSet other) => new(A & ~other.A, B & ~other.B, C & ~other.C, D & ~other.D);

    /// <summary>Returns whether a byte is in the set.</summary>
    public bool Contains(byte value) => ((value >> 6) switch { 0 => A, 1 => B, 2 => C, _ => D } >> (value & 63) & 1) != 0;
}
