using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Computes the float32 values of quantised blocks. A block has 32 values with one scale d (and a minimum m), or 256 values in sub-blocks whose own
/// small scales d multiplies. Products and sums are rounded one by one in the order of ggml, so that the values equal its own to the bit.
/// </summary>
internal static class GgufBlocks
{
    private const int Half = 16; // values of half a small block: low nibbles first, then high ones

    private delegate void Decoder(ReadOnlySpan<byte> block, Span<float> values);

    /// <summary>Computes the values of whole blocks.</summary>
    /// <param name="type">A quantised type.</param>
    /// <param name="source">The blocks.</param>
    /// <param name="destination">Receives their values; its length must be exactly that.</param>
    public static void ToSingle(GgufType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        var (values, bytes) = type.Block();
        if (values < 2 || source.Length % bytes != 0 || destination.Length != source.Length / bytes * values)
            throw new ArgumentException($"{source.Length} bytes of {type} do not hold {destination.Length} values.");
        var decode = Of(type);
        for (; destination.Length > 0; source = source[bytes..], destination = destination[values..]) decode(source[..bytes], destination[..values]);
    }

    private static Decoder Of(GgufType type) => type switch
    {
        GgufType.Q4_0 => Q4WithScale,
        GgufType.Q4_1 => Q4WithMinimum,
        GgufType.Q5_0 => Q5WithScale,
        GgufType.Q5_1 => Q5WithMinimum,
        GgufType.Q8_0 => Q8WithScale,
        GgufType.Q2_K => Q2InSubBlocks,
        GgufType.Q3_K => Q3InSubBlocks,
        GgufType.Q4_K => Q4InSubBlocks,
        GgufType.Q5_K => Q5InSubBlocks,
        _ => Q6InSubBlocks,
    };

    /// <summary>d; 16 bytes of nibbles q: d (q - 8).</summary>
    private static void Q4WithScale(ReadOnlySpan<byte> block, Span<float> values)
    {
        var d = HalfAt(block, 0);
        var nibbles = block[2..];
        for (var i = 0; i < Half; i++)
        {
            values[i] = d * ((nibbles[i] & 15) - 8);
            values[i + Half] = d * ((nibbles[i] >> 4) - 8);
        }
    }

    /// <summary>d, m; 16 bytes of nibbles q: d q + m.</summary>
    private static void Q4WithMinimum(ReadOnlySpan<byte> block, Span<float> values)
    {
        var (d, m) = (HalfAt(block, 0), HalfAt(block, 2));
        var nibbles = block[4..];
        for (var i = 0; i < Half; i++)
        {
            values[i] = d * (nibbles[i] & 15) + m;
            values[i + Half] = d * (nibbles[i] >> 4) + m;
        }
    }

    /// <summary>d; 32 fifth bits; 16 bytes of nibbles: d (q - 16).</summary>
    private static void Q5WithScale(ReadOnlySpan<byte> block, Span<float> values)
    {
        var (d, high) = (HalfAt(block, 0), BinaryPrimitives.ReadUInt32LittleEndian(block[2..]));
        var nibbles = block[6..];
        for (var i = 0; i < Half; i++)
        {
            values[i] = d * (FiveBits(nibbles[i] & 15, high, i) - 16);
            values[i + Half] = d * (FiveBits(nibbles[i] >> 4, high, i + Half) - 16);
        }
    }

    /// <summary>d, m; 32 fifth bits; 16 bytes of nibbles: d q + m.</summary>
    private static void Q5WithMinimum(ReadOnlySpan<byte> block, Span<float> values)
    {
        var (d, m, high) = (HalfAt(block, 0), HalfAt(block, 2), BinaryPrimitives.ReadUInt32LittleEndian(block[4..]));
        var nibbles = block[8..];
        for (var i = 0; i < Half; i++)
        {
            values[i] = d * FiveBits(nibbles[i] & 15, high, i) + m;
            values[i + Half] = d * FiveBits(nibbles[i] >> 4, high, i + Half) + m;
        }
    }

    /// <summary>d; 32 signed bytes q: q d.</summary>
    private static void Q8WithScale(ReadOnlySpan<byte> block, Span<float> values)
    {
        var d = HalfAt(block, 0);
        var q = block[2..];
        for (var i = 0; i < values.Length; i++) values[i] = (sbyte)q[i] * d;
    }

    /// <summary>16 bytes of scale and minimum nibbles; 64 bytes of 2-bit q; d, dmin: (d scale) q - (dmin minimum), 16 values a sub-block.</summary>
    private static void Q2InSubBlocks(ReadOnlySpan<byte> block, Span<float> values)
    {
        var (d, dmin) = (HalfAt(block, 80), HalfAt(block, 82));
        var scales = block[..16];
        for (var sub = 0; sub < 16; sub++)
        {
            var (scale, minimum) = (d * (scales[sub] & 15), dmin * (scales[sub] >> 4));
            for (var i = sub * 16; i < sub * 16 + 16; i++) values[i] = scale * TwoBits(block[16..], i) - minimum;
        }
    }

    /// <summary>
    /// 32 bytes of third bits; 64 bytes of 2-bit q; 16 six-bit scales in 12 bytes; d: (d (scale - 32)) (q - 4 unless the third bit is set).
    /// </summary>
    private static void Q3InSubBlocks(ReadOnlySpan<byte> block, Span<float> values)
    {
        var d = HalfAt(block, 108);
        var scales = block[96..108];
        for (var sub = 0; sub < 16; sub++)
        {
            var low = sub < 8 ? scales[sub] & 15 : scales[sub - 8] >> 4;
            var high = (scales[8 + sub % 4] >> (sub / 4 * 2)) & 3;
            var scale = d * ((low | (high << 4)) - 32);
            for (var i = sub * 16; i < sub * 16 + 16; i++)
            {
                var third = (block[i % 32] >> (i / 32)) & 1;
                values[i] = scale * (TwoBits(block[32..], i) - 4 * (third ^ 1));
            }
        }
    }

    /// <summary>
    /// d, dmin; 8 six-bit scales and minima in 12 bytes; 128 bytes of nibbles: (d scale) q - (dmin minimum), 32 values a sub-block.
    /// </summary>
    private static void Q4InSubBlocks(ReadOnlySpan<byte> block, Span<float> values)
    {
        var nibbles = block[16..];
        for (var sub = 0; sub < 8; sub++)
        {
            var (scale, minimum) = ScaleAndMinimum(block, sub);
            for (var i = 0; i < 32; i++)
            {
                var q = (nibbles[sub / 2 * 32 + i] >> (sub % 2 * 4)) & 15;
                values[sub * 32 + i] = scale * q - minimum;
            }
        }
    }

    /// <summary>As <see cref="Q4InSubBlocks"/>, with 32 bytes of fifth bits before the nibbles.</summary>
    private static void Q5InSubBlocks(ReadOnlySpan<byte> block, Span<float> values)
    {
        var fifth = block[16..48];
        var nibbles = block[48..];
        for (var sub = 0; sub < 8; sub++)
        {
            var (scale, minimum) = ScaleAndMinimum(block, sub);
            for (var i = 0; i < 32; i++)
            {
                var q = ((nibbles[sub / 2 * 32 + i] >> (sub % 2 * 4)) & 15) | (((fifth[i] >> sub) & 1) << 4);
                values[sub * 32 + i] = scale * q - minimum;
            }
        }
    }

    /// <summary>128 bytes of nibbles; 64 bytes of two upper bits; 16 signed scales; d: (d scale) (q - 32), 16 values a sub-block.</summary>
    private static void Q6InSubBlocks(ReadOnlySpan<byte> block, Span<float> values)
    {
        var d = HalfAt(block, 208);
        var upper = block[128..192];
        var scales = block[192..208];
        for (var sub = 0; sub < 16; sub++)
        {
            var scale = d * (sbyte)scales[sub];
            for (var i = sub * 16; i < sub * 16 + 16; i++)
            {
                var (half, place) = (i / 128, i % 128);
                var low = (block[half * 64 + place % 64] >> (place / 64 * 4)) & 15;
                var high = (upper[half * 32 + place % 32] >> (place / 32 * 2)) & 3;
                values[i] = scale * ((low | (high << 4)) - 32);
            }
        }
    }

    private static float HalfAt(ReadOnlySpan<byte> block, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[at..]);

    private static int FiveBits(int low, uint high, int bit) => low | (int)((high >> bit) & 1) << 4;

    /// <summary>Value i of 256 of two bits each: 128 values lie in 32 bytes, in four layers.</summary>
    private static int TwoBits(ReadOnlySpan<byte> bytes, int i) => (bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;

    /// <summary>
    /// d scale and dmin minimum of sub-block i. The six bits of scale i are the lower ones of byte i; for i of 4 and more the lower nibble of byte
    /// i + 4 and the upper two bits of byte i - 4. Minima likewise, four bytes on and with the upper nibble.
    /// </summary>
    private static (float Scale, float Minimum) ScaleAndMinimum(ReadOnlySpan<byte> block, int i)
    {
        var packed = block[4..16];
        var (scale, minimum) = i < 4
            ? (packed[i] & 63, packed[i + 4] & 63)
            : ((packed[i + 4] & 15) | ((packed[i - 4] >> 6) << 4), (packed[i + 4] >> 4) | ((packed[i] >> 6) << 4));
        return (HalfAt(block, 0) * scale, HalfAt(block, 2) * minimum);
    }
}
