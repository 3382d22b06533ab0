using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Quantises 256 values as Q4_K and Q6_K by the reference rules of ggml (quantize_row_q4_K_ref and quantize_row_q6_K_ref of ggml-quants.c), in
/// float32 and in its order of additions, so that the bytes equal its own. A group of values has a scale, and in Q4_K a minimum, that minimises the
/// weighted sum of squared errors among those that a few roundings of the values give; then scales and minima are rounded to multiples of the
/// block's.
/// </summary>
internal static class GgufSuperBlocks
{
    private const int Values = 256;
    private const float NoScale = 1e-15f; // ggml's GROUP_MAX_EPS: groups and blocks below it are zero

    /// <summary>
    /// d and dmin in float16; 8 six-bit scales and minima in 12 bytes; 128 bytes of nibbles q. A value is d scale q - dmin minimum.
    /// </summary>
    public static void FourBits(ReadOnlySpan<float> values, Span<byte> block)
    {
        const int Groups = 8, Length = Values / Groups, Most = 63; // of six bits
        Span<byte> q = stackalloc byte[Values];
        Span<float> scales = stackalloc float[Groups], minima = stackalloc float[Groups];
        var (largestScale, largestMinimum) = (0f, 0f);
        for (var group = 0; group < Groups; group++)
        {
            var range = (group * Length)..((group + 1) * Length);
            (scales[group], minima[group]) = FitLine(values[range], q[range]);
            if (scales[group] > largestScale) largestScale = scales[group];
            if (minima[group] > largestMinimum) largestMinimum = minima[group];
        }
        var perScale = largestScale > 0 ? Most / largestScale : 0;
        var perMinimum = largestMinimum > 0 ? Most / largestMinimum : 0;
        Half d = (Half)(largestScale / Most), dmin = (Half)(largestMinimum / Most);
        BinaryPrimitives.WriteHalfLittleEndian(block, d);
        BinaryPrimitives.WriteHalfLittleEndian(block[2..], dmin);
        var packed = block[4..16];
        packed.Clear();
        for (var group = 0; group < Groups; group++)
        {
            int scale = Math.Min((byte)Nearest(perScale * scales[group]), (byte)Most);
            int minimum = Math.Min((byte)Nearest(perMinimum * minima[group]), (byte)Most);
            Pack(packed, group, scale, minimum);
            var (step, shift) = ((float)d * scale, (float)dmin * minimum);
            if (step == 0) continue; // q stays, without effect
            for (var i = group * Length; i < (group + 1) * Length; i++) q[i] = (byte)Math.Clamp(Nearest((values[i] + shift) / step), 0, 15);
        }
        for (var i = 0; i < Values / 2; i++)
        {
            var low = i / Length * 2 * Length + i % Length;
            block[16 + i] = (byte)(q[low] | q[low + Length] << 4);
        }
    }

    /// <summary>128 bytes of nibbles and 64 bytes of two upper bits, q + 32; 16 signed scales; d in float16. A value is d scale q.</summary>
    public static void SixBits(ReadOnlySpan<float> values, Span<byte> block)
    {
        const int Groups = 16, Length = Values / Groups, Most = 128;
        Span<sbyte> q = stackalloc sbyte[Values];
        Span<float> scales = stackalloc float[Groups];
        var largest = 0f; // with its sign
        for (var group = 0; group < Groups; group++)
        {
            var range = (group * Length)..((group + 1) * Length);
            scales[group] = FitScale(values[range], q[range]);
            if (MathF.Abs(scales[group]) > MathF.Abs(largest)) largest = scales[group];
        }
        block[..210].Clear();
        if (MathF.Abs(largest) < NoScale) return;
        var perScale = -Most / largest;
        var d = (Half)(1 / perScale);
        BinaryPrimitives.WriteHalfLittleEndian(block[208..], d);
        for (var group = 0; group < Groups; group++)
        {
            var scale = (sbyte)Math.Min(127, Nearest(perScale * scales[group]));
            block[192 + group] = (byte)scale;
            var step = (float)d * scale;
            if (step == 0) continue;
            for (var i = group * Length; i < (group + 1) * Length; i++) q[i] = (sbyte)Math.Clamp(Nearest(values[i] / step), -32, 31);
        }
        for (var i = 0; i < Values; i++)
        {
            var (half, place, code) = (i / 128, i % 128, q[i] + 32);
            block[half * 64 + place % 64] |= (byte)((code & 15) << (place / 64 * 4));
            block[128 + half * 32 + place % 32] |= (byte)(code >> 4 << (place / 32 * 2));
        }
    }

    /// <summary>
    /// Fits x = s q - m with q from 0 to 15 and m of at least 0 to 32 values (make_qkx2_quants): q is rounded with 14 to 16 steps, in tenths, from
    /// the best -m so far to the largest x; s and m are those of weighted least squares for that q. A weight is |x| plus the root of the mean square.
    /// </summary>
    /// <remarks>
    /// The error of a value is at most 4/15 of the distance from the least to the largest of them, 0 among them. The first fit has a step of 1/15 of
    /// that and errors of at most half a step; no later one has a larger weighted sum of squares. By the inequality of Cauchy and Schwarz, all
    /// weights are together at most 64 times any of them, so that one error is at most 8 times half a step, and the root of the mean square of 32
    /// errors at most sqrt(2) times half a step.
    /// </remarks>
    private static (float Scale, float Minimum) FitLine(ReadOnlySpan<float> x, Span<byte> q)
    {
        const int Tries = 21, Most = 15;
        Span<float> weights = stackalloc float[x.Length];
        Span<byte> tried = stackalloc byte[x.Length];
        float squares = 0, least = x[0], largest = x[0];
        foreach (var value in x)
        {
            squares += value * value;
            if (value < least) least = value;
            if (value > largest) largest = value;
        }
        var level = MathF.Sqrt(squares / x.Length);
        for (var i = 0; i < x.Length; i++) weights[i] = level + MathF.Abs(x[i]);
        float sumW = weights[0], sumX = sumW * x[0];
        for (var i = 1; i < x.Length; i++) (sumW, sumX) = (sumW + weights[i], sumX + weights[i] * x[i]);
        var start = least > 0 ? 0 : least; // -m
        q.Clear();
        if (largest == start) return (0, -start);
        var scale = 1 / (Most / (largest - start));
        Round(x, start, Most / (largest - start), q);
        var best = Error(x, q, weights, scale, start);
        for (var i = 0; i < Tries; i++)
        {
            Round(x, start, (-1f + 0.1f * i + Most) / (largest - start), tried);
            float sumQ = 0, sumQq = 0, sumQx = 0;
            for (var j = 0; j < x.Length; j++)
            {
                var weighted = weights[j] * tried[j];
                (sumQ, sumQq, sumQx) = (sumQ + weighted, sumQq + weighted * tried[j], sumQx + weighted * x[j]);
            }
            var determinant = sumW * sumQq - sumQ * sumQ;
            if (!(determinant > 0)) continue;
            var (slope, shift) = ((sumW * sumQx - sumX * sumQ) / determinant, (sumQq * sumX - sumQ * sumQx) / determinant);
            if (shift > 0) (slope, shift) = (sumQx / sumQq, 0);
            var error = Error(x, tried, weights, slope, shift);
            if (!(error < best)) continue;
            tried.CopyTo(q);
            (best, scale, start) = (error, slope, shift);
        }
        return (scale, -start);

        static void Round(ReadOnlySpan<float> x, float start, float perStep, Span<byte> rounded)
        {
            for (var i = 0; i < x.Length; i++) rounded[i] = (byte)Math.Clamp(Nearest(perStep * (x[i] - start)), 0, Most);
        }
    }

    /// <summary>The weighted sum of squares of s q + m - x.</summary>
    private static float Error(ReadOnlySpan<float> x, ReadOnlySpan<byte> q, ReadOnlySpan<float> weights, float scale, float shift)
    {
        var sum = 0f;
        for (var i = 0; i < x.Length; i++)
        {
            var difference = scale * q[i] + shift - x[i];
            sum += weights[i] * (difference * difference);
        }
        return sum;
    }

    /// <summary>
    /// Fits x = s q with q from -32 to 31 to 16 values (make_qx_quants): q is rounded so that the x of the largest magnitude is -31.1 to -32.9, in
    /// tenths, and s is that of least squares with weights x^2, for which sum(w x q)^2 / sum(w q^2) is largest.
    /// </summary>
    /// <remarks>
    /// With m the largest magnitude, the first fit has errors of at most m / 32, so that sum(x^2 e^2) is at most 15 m^2 (m / 32)^2 for every later
    /// one, and |x e| at most 0.122 m^2. The largest x alone bounds s from below, 32 s at least 0.878 m; a value that the range cuts off is then at
    /// least 0.86 m, and its error at most 0.15 m. Of a value within the range it is at most s / 2, and s at most 0.05 m.
    /// </remarks>
    private static float FitScale(ReadOnlySpan<float> x, Span<sbyte> q)
    {
        const int Most = 32, Tries = 9;
        var largest = 0f; // with its sign
        foreach (var value in x)
        {
            if (MathF.Abs(value) > MathF.Abs(largest)) largest = value;
        }
        q.Clear();
        if (MathF.Abs(largest) < NoScale)
        {
            q.Fill(-Most); // as ggml has it, without effect
            return 0;
        }
        var perStep = -Most / largest;
        var (sumQx, sumQq) = Sums(x, perStep);
        Round(x, perStep, q);
        var scale = sumQq != 0 ? sumQx / sumQq : 0;
        var best = scale * sumQx;
        for (var i = -Tries; i <= Tries; i++)
        {
            if (i == 0) continue;
            perStep = -(Most + 0.1f * i) / largest;
            (sumQx, sumQq) = Sums(x, perStep);
            if (!(sumQq > 0) || !(sumQx * sumQx > best * sumQq)) continue;
            Round(x, perStep, q);
            scale = sumQx / sumQq;
            best = scale * sumQx;
        }
        return scale;

        static int Rounded(float x, float perStep) => Math.Clamp(Nearest(perStep * x), -Most, Most - 1);

        static void Round(ReadOnlySpan<float> x, float perStep, Span<sbyte> q)
        {
            for (var i = 0; i < x.Length; i++) q[i] = (sbyte)Rounded(x[i], perStep);
        }

        static (float Qx, float Qq) Sums(ReadOnlySpan<float> x, float perStep)
        {
            var (qx, qq) = (0f, 0f);
            foreach (var value in x)
            {
                var (element, weight) = (Rounded(value, perStep), value * value);
                (qx, qq) = (qx + weight * value * element, qq + weight * element * element);
            }
            return (qx, qq);
        }
    }

    /// <summary>Puts the six bits of a scale and of a minimum where <see cref="GgufBlocks"/> finds them.</summary>
    private static void Pack(Span<byte> packed, int group, int scale, int minimum)
    {
        if (group < 4)
        {
            packed[group] |= (byte)scale;
            packed[group + 4] |= (byte)minimum;
            return;
        }
        packed[group + 4] |= (byte)((scale & 15) | (minimum & 15) << 4);
        packed[group - 4] |= (byte)(scale >> 4 << 6);
        packed[group] |= (byte)(minimum >> 4 << 6);
    }

    /// <summary>Rounds to the nearest integer, halves to even: 1.5 2^23 plus a number below 2^22 has no room for a fraction.</summary>
    private static int Nearest(float number) => (BitConverter.SingleToInt32Bits(number + 12582912f) & 0x7FFFFF) - 0x400000;
}
