using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Converts rows of float32 values to the types that are written. Blocks of 32 values are quantised by the reference rules of ggml
/// (quantize_row_q8_0_ref and quantize_row_q4_0_ref of ggml-quants.c), in float32 and value by value, so that the bytes equal its own; those of 256
/// by <see cref="GgufSuperBlocks"/>.
/// </summary>
internal static class GgufEncoding
{
    /// <summary>The types that are written.</summary>
    public const string Names = "F32, F16, BF16, Q8_0, Q6_K, Q4_K or Q4_0";

    /// <summary>Returns whether values of this type are written.</summary>
    public static bool IsWritten(GgufType type) => type is GgufType.F32 or GgufType.F16 or GgufType.BF16 or GgufType.Q8_0 or GgufType.Q6_K
        or GgufType.Q4_K or GgufType.Q4_0;

    /// <summary>Returns the type of embedding and output layer for a type of the other matrices: no fewer bits than six.</summary>
    public static GgufType OfEnds(GgufType type) => type switch
    {
        GgufType.Q4_0 => GgufType.Q8_0,
        GgufType.Q4_K => GgufType.Q6_K,
        _ => type,
    };

    /// <summary>
    /// Returns the type in which a matrix with rows of that length is stored: a row that blocks of 256 values do not fill is Q8_0, one that blocks of
    /// 32 do not fill is F16.
    /// </summary>
    public static GgufType Fitting(GgufType type, long columns) =>
        columns % type.Block().Values == 0 ? type : columns % GgufType.Q8_0.Block().Values == 0 ? GgufType.Q8_0 : GgufType.F16;

    /// <summary>
    /// Returns the largest magnitude that the type holds; for a type with blocks, that a block with scales in float16 holds. A scale of Q6_K is at
    /// most 1/20 of the largest magnitude and 128 d; with Q4_K, minima of up to four times the largest magnitude find room in 63 dmin.
    /// </summary>
    public static float Largest(GgufType type) => type switch
    {
        GgufType.F16 => 65519.996f, // the last float32 that rounds to 65504
        GgufType.BF16 => 3.3895314e38f,
        GgufType.Q8_0 => 65504f * 127,
        GgufType.Q6_K => 65504f * 128 * 20,
        GgufType.Q4_K => 65504f * 63 / 4,
        GgufType.Q4_0 => 65504f * 8,
        _ => float.MaxValue,
    };

    /// <summary>Converts values, as many as whole blocks have.</summary>
    public static void FromSingle(GgufType type, ReadOnlySpan<float> source, Span<byte> destination)
    {
        if (!type.IsQuantised())
        {
            TensorConversion.FromSingle(type.Lossless(), source, destination);
            return;
        }
        var (values, bytes) = type.Block();
        for (; source.Length > 0; source = source[values..], destination = destination[bytes..])
        {
            var block = source[..values];
            switch (type)
            {
                case GgufType.Q8_0: Eight(block, destination); break;
                case GgufType.Q6_K: GgufSuperBlocks.SixBits(block, destination); break;
                case GgufType.Q4_K: GgufSuperBlocks.FourBits(block, destination); break;
                default: Four(block, destination); break;
            }
        }
    }

    /// <summary>d = max |x| / 127; 32 bytes q = round(x / d), halves away from zero.</summary>
    private static void Eight(ReadOnlySpan<float> values, Span<byte> block)
    {
        var largest = 0f;
        foreach (var value in values) largest = Math.Max(largest, Math.Abs(value));
        var scale = largest / 127;
        var inverse = scale != 0 ? 1 / scale : 0;
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
        for (var i = 0; i < values.Length; i++)
            block[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
    }

    /// <summary>The scale in float16, then nibbles q + 8, those of a block's first half low.</summary>
    private static void Four(ReadOnlySpan<float> values, Span<byte> block)
    {
        const int Pairs = 16;
        Span<sbyte> elements = stackalloc sbyte[2 * Pairs];
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)Quantize(values, elements));
        for (var i = 0; i < Pairs; i++) block[2 + i] = (byte)((elements[i] + 8) | ((elements[i + Pairs] + 8) << 4));
    }

    /// <summary>
    /// Finds the elements q from -8 to 7 of up to 32 weights by the rule of Q4_0 and returns their scale d: d = x / -8, where x is the weight of the
    /// largest magnitude, with its sign; q = min(15, trunc(w / d + 8.5)) - 8; then d is rounded to float16. The error of a weight is at most
    /// |d| / 2, but |d| where the other end of the range is cut off.
    /// </summary>
    public static float Quantize(ReadOnlySpan<float> weights, Span<sbyte> elements)
    {
        var largest = 0f;
        foreach (var weight in weights)
        {
            if (MathF.Abs(weight) > MathF.Abs(largest)) largest = weight;
        }
        var scale = largest / -8;
        var inverse = scale != 0 ? 1 / scale : 0;
        for (var i = 0; i < weights.Length; i++) elements[i] = (sbyte)(Math.Min(15, (int)(weights[i] * inverse + 8.5f)) - 8);
        return (float)(Half)scale;
    }
}
