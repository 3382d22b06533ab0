using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Takes quantised blocks apart into elements q, a scale s and a minimum m for each group of 16 or 32: a value is s q + m. A block has 32 values, one
/// group, or 256, whose groups have small scales of their own that the block's multiply. s q has at most 24 significant bits, so that a value is
/// rounded once, and equals that of ggml to the bit.
/// </summary>
internal static class GgufBlocks
{
    private const int Half = 16; // values of half a small block: low nibbles first, then high ones

    /// <summary>What the nibbles of IQ4_NL and IQ4_XS stand for (kvalues_iq4nl of ggml-common.h): denser where weights are more frequent.</summary>
    private static ReadOnlySpan<sbyte> Levels => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>What the nibbles of MXFP4 stand for, doubled: E2M1 of the OCP Microscaling Formats 1.0, where -0 is 0 here.</summary>
    private static ReadOnlySpan<sbyte> Floats => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    private delegate void Decoder(ReadOnlySpan<byte> block, Span<sbyte> elements, Span<float> scales, Span<float> minima);

    /// <summary>Takes whole blocks apart.</summary>
    /// <param name="type">A quantised type.</param>
    /// <param name="source">The blocks.</param>
    /// <param name="elements">Receives q of every value.</param>
    /// <param name="scales">Receives s of every group.</param>
    /// <param name="minima">Receives m of every group.</param>
    public static void Decode(GgufType type, ReadOnlySpan<byte> source, Span<sbyte> elements, Span<float> scales, Span<float> minima)
    {
        var (values, bytes) = type.Block();
        if (values < 2 || source.Length % bytes != 0 || elements.Length != source.Length / bytes * values)
            throw new ArgumentException($"{source.Length} bytes of {type} do not hold {elements.Length} values.");
        var (decode, groups) = (Of(type), values / type.Held().Length);
        minima.Fill(-0f); // to which a value adds without a change, zeros of both signs included
        for (; source.Length > 0; source = source[bytes..], elements = elements[values..], scales = scales[groups..], minima = minima[groups..])
            decode(source[..bytes], elements[..values], scales[..groups], minima[..groups]);
    }

    /// <summary>Computes the values of whole blocks.</summary>
    /// <param name="type">A quantised type.</param>
    /// <param name="source">The blocks.</param>
    /// <param name="destination">Receives their values; its length must be exactly that.</param>
    public static void ToSingle(GgufType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        const int Most = 256; // values of a block
        Span<sbyte> elements = stackalloc sbyte[Most];
        Span<float> scales = stackalloc float[Half], minima = stackalloc float[Half];
        var (values, bytes) = type.Block();
        if (values < 2 || source.Length % bytes != 0 || destination.Length != source.Length / bytes * values)
            throw new ArgumentException($"{source.Length} bytes of {type} do not hold {destination.Length} values.");
        var length = type.Held().Length;
        for (; source.Length > 0; source = source[bytes..], destination = destination[values..])
        {
            Decode(type, source[..bytes], elements[..values], scales, minima);
            for (var i = 0; i < values; i++) destination[i] = scales[i / length] * elements[i] + minima[i / length];
        }
    }

    private static Decoder Of(GgufType type) => type switch
    {
        GgufType.Q4_0 => Q4WithScale,
        GgufType.Q4_1 => Q4WithMinimum,
        GgufType.Q5_0 => Q5WithScale,
        GgufType.Q5_1 => Q5WithMinimum,
        GgufType.Q8_0 => Q8WithScale,
        GgufType.Q2_K => Q2InGroups,
        GgufType.Q3_K => Q3InGroups,
        GgufType.Q4_K => Q4InGroups,
        GgufType.Q5_K => Q5InGroups,
        GgufType.Q6_K => Q6InGroups,
        GgufType.IQ4_NL => LevelsWithScale,
        GgufType.IQ4_XS => LevelsInGroups,
        _ => FloatsWithExponent,
    };

    /// <summary>s; 16 bytes of nibbles, q + 8.</summary>
    private static void Q4WithScale(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        s[0] = HalfAt(block, 0);
        Nibbles(block[2..], q, subtract: 8);
    }

    /// <summary>s, m; 16 bytes of nibbles, q.</summary>
    private static void Q4WithMinimum(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        (s[0], m[0]) = (HalfAt(block, 0), HalfAt(block, 2));
        Nibbles(block[4..], q, subtract: 0);
    }

    /// <summary>s; 32 fifth bits; 16 bytes of nibbles: q + 16.</summary>
    private static void Q5WithScale(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        s[0] = HalfAt(block, 0);
        Nibbles(block[6..], q, subtract: 16, fifth: BinaryPrimitives.ReadUInt32LittleEndian(block[2..]));
    }

    /// <summary>s, m; 32 fifth bits; 16 bytes of nibbles: q.</summary>
    private static void Q5WithMinimum(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        (s[0], m[0]) = (HalfAt(block, 0), HalfAt(block, 2));
        Nibbles(block[8..], q, subtract: 0, fifth: BinaryPrimitives.ReadUInt32LittleEndian(block[4..]));
    }

    private static void Nibbles(ReadOnlySpan<byte> nibbles, Span<sbyte> q, int subtract, uint fifth = 0)
    {
        for (var i = 0; i < Half; i++)
        {
            q[i] = (sbyte)(((nibbles[i] & 15) | (int)(fifth >> i & 1) << 4) - subtract);
            q[i + Half] = (sbyte)((nibbles[i] >> 4 | (int)(fifth >> (i + Half) & 1) << 4) - subtract);
        }
    }

    /// <summary>s; 32 signed bytes, q.</summary>
    private static void Q8WithScale(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        s[0] = HalfAt(block, 0);
        for (var i = 0; i < q.Length; i++) q[i] = (sbyte)block[2 + i];
    }

    /// <summary>16 bytes of nibbles, scale and minimum; 64 bytes of 2 bits, q; d, dmin: s = d scale, m = -dmin minimum.</summary>
    private static void Q2InGroups(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        var (d, dmin) = (HalfAt(block, 80), HalfAt(block, 82));
        for (var group = 0; group < s.Length; group++) (s[group], m[group]) = (d * (block[group] & 15), -(dmin * (block[group] >> 4)));
        for (var i = 0; i < q.Length; i++) q[i] = (sbyte)TwoBits(block[16..], i);
    }

    /// <summary>32 bytes of third bits; 64 bytes of 2 bits, q + 4 with the third; 16 six-bit scales in 12 bytes; d: s = d (scale - 32).</summary>
    private static void Q3InGroups(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        var d = HalfAt(block, 108);
        var scales = block[96..108];
        for (var group = 0; group < s.Length; group++)
        {
            var low = group < 8 ? scales[group] & 15 : scales[group - 8] >> 4;
            var high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
            s[group] = d * ((low | (high << 4)) - 32);
        }
        for (var i = 0; i < q.Length; i++) q[i] = (sbyte)((TwoBits(block[32..], i) | ((block[i % 32] >> (i / 32)) & 1) << 2) - 4);
    }

    /// <summary>d, dmin; 8 six-bit scales and minima in 12 bytes; 128 bytes of nibbles, q: s = d scale, m = -dmin minimum.</summary>
    private static void Q4InGroups(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        ScalesAndMinima(block, s, m);
        for (var i = 0; i < q.Length; i++) q[i] = (sbyte)NibbleOfPair(block[16..], i);
    }

    /// <summary>As <see cref="Q4InGroups"/>, with 32 bytes of fifth bits before the nibbles.</summary>
    private static void Q5InGroups(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        ScalesAndMinima(block, s, m);
        for (var i = 0; i < q.Length; i++) q[i] = (sbyte)(NibbleOfPair(block[48..], i) | ((block[16 + i % 32] >> (i / 32)) & 1) << 4);
    }

    /// <summary>128 bytes of nibbles and 64 bytes of two upper bits, q + 32; 16 signed scales; d: s = d scale.</summary>
    private static void Q6InGroups(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        var d = HalfAt(block, 208);
        for (var group = 0; group < s.Length; group++) s[group] = d * (sbyte)block[192 + group];
        for (var i = 0; i < q.Length; i++)
        {
            var (half, place) = (i / 128, i % 128);
            var low = (block[half * 64 + place % 64] >> (place / 64 * 4)) & 15;
            q[i] = (sbyte)((low | TwoBits(block[128..], i) << 4) - 32);
        }
    }

    /// <summary>s; 16 bytes of nibbles, the places of q in the table.</summary>
    private static void LevelsWithScale(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        s[0] = HalfAt(block, 0);
        LookUp(block[2..], Levels, q);
    }

    /// <summary>d; upper two bits of 8 scales in 2 bytes, their lower nibbles in 4; 128 bytes of nibbles as above: s = d (scale - 32).</summary>
    private static void LevelsInGroups(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        var (d, high) = (HalfAt(block, 0), BinaryPrimitives.ReadUInt16LittleEndian(block[2..]));
        for (var group = 0; group < s.Length; group++)
        {
            var low = (block[4 + group / 2] >> (group % 2 * 4)) & 15;
            s[group] = d * ((low | (((high >> (2 * group)) & 3) << 4)) - 32);
            LookUp(block[(8 + group * Half)..], Levels, q.Slice(group * 2 * Half, 2 * Half));
        }
    }

    /// <summary>An exponent e; 16 bytes of nibbles, the places of q in the table: s = 2^(e - 128), as the table is doubled.</summary>
    private static void FloatsWithExponent(ReadOnlySpan<byte> block, Span<sbyte> q, Span<float> s, Span<float> m)
    {
        s[0] = MathF.ScaleB(1, block[0] - 128);
        LookUp(block[1..], Floats, q);
    }

    private static void LookUp(ReadOnlySpan<byte> nibbles, ReadOnlySpan<sbyte> table, Span<sbyte> q)
    {
        for (var i = 0; i < Half; i++) (q[i], q[i + Half]) = (table[nibbles[i] & 15], table[nibbles[i] >> 4]);
    }

    private static float HalfAt(ReadOnlySpan<byte> block, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[at..]);

    /// <summary>Value i of 256 of two bits each: 128 values lie in 32 bytes, in four layers.</summary>
    private static int TwoBits(ReadOnlySpan<byte> bytes, int i) => (bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;

    /// <summary>Value i of 256 of four bits each: 64 values lie in 32 bytes, in two layers.</summary>
    private static int NibbleOfPair(ReadOnlySpan<byte> bytes, int i) => (bytes[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15;

    /// <summary>
    /// d scale and -dmin minimum of the eight groups. The six bits of scale i are the lower ones of byte i; for i of 4 and more the lower nibble of
    /// byte i + 4 and the upper two bits of byte i - 4. Minima likewise, four bytes on and with the upper nibble.
    /// </summary>
    private static void ScalesAndMinima(ReadOnlySpan<byte> block, Span<float> s, Span<float> m)
    {
        var (d, dmin) = (HalfAt(block, 0), HalfAt(block, 2));
        var packed = block[4..16];
        for (var i = 0; i < s.Length; i++)
        {
            var (scale, minimum) = i < 4
                ? (packed[i] & 63, packed[i + 4] & 63)
                : ((packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4), (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4));
            (s[i], m[i]) = (d * scale, -(dmin * minimum));
        }
    }
}
