using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A type of which blocks of 32 elements of a row of W share a scale s and perhaps a minimum m, the rule of Q4_0 and its kin in GGUF files. In a panel,
/// 32 rows k follow the scales of all lanes.
/// </summary>
internal interface IBlockElement : IElement
{
    /// <summary>Elements of a block.</summary>
    const int Length = 32;

    /// <summary>Stores a lane's element.</summary>
    static abstract unsafe void Store(byte* row, int lane, int width, int element);

    /// <summary>Replaces up to <see cref="Length"/> weights by their elements, and returns the scale and the minimum.</summary>
    static abstract (float Scale, float Minimum) Quantize(ReadOnlySpan<float> weights, Span<sbyte> elements);
}

/// <summary>
/// Four bits q from -8 to 7 with one scale s per block: w = s q, as Q4_0 has it: s = x / -8, where x is the weight of the largest magnitude, rounded to
/// float16, and q = round(w / s). The error of a weight is at most |s| / 2, but |s| where the other end of the range is cut off. Lanes of the first half
/// of a row lie in the lower halves of its bytes, those of the second half in the upper.
/// </summary>
internal readonly unsafe struct Nibble : IBlockElement
{
    public static int Bits => 4;
    public static int BlockRows => IBlockElement.Length;
    public static int BlockFloats => 1;

    public static float Load(byte* row, int lane, int width) =>
        lane < width / 2 ? (sbyte)(row[lane] << 4) >> 4 : (sbyte)row[lane - width / 2] >> 4;

    public static void Store(byte* row, int lane, int width, int element)
    {
        ref var pair = ref row[lane % (width / 2)];
        pair = (byte)(lane < width / 2 ? (pair & 0xF0) | (element & 0xF) : (pair & 0xF) | (element << 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width)
    {
        var upper = lane >= width / 2;
        var pairs = Pairs8(row + (upper ? lane - width / 2 : lane));
        return Vector256.ConvertToSingle(upper ? pairs >> 4 : pairs << 28 >> 28);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width)
    {
        if (!Avx512F.IsSupported) return Vector512.Create(Load8(row, lane, width), Load8(row, lane + 8, width));
        var upper = lane >= width / 2;
        var pairs = Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)row + (upper ? lane - width / 2 : lane)));
        return Avx512F.ConvertToVector512Single(upper ? pairs >> 4 : pairs << 28 >> 28);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, int lane, int width) => elements * Vector256.Load(block + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, int lane, int width) => elements * Vector512.Load(block + lane);

    public static (float Scale, float Minimum) Quantize(ReadOnlySpan<float> weights, Span<sbyte> elements)
    {
        var largest = 0f;
        foreach (var weight in weights)
        {
            if (MathF.Abs(weight) > MathF.Abs(largest)) largest = weight;
        }
        var scale = largest / -8;
        var inverse = scale != 0 ? 1 / scale : 0;
        for (var i = 0; i < weights.Length; i++) elements[i] = (sbyte)(Math.Min(15, (int)(weights[i] * inverse + 8.5f)) - 8);
        return ((float)(Half)scale, 0);
    }

    /// <summary>Eight bytes, widened with their signs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Pairs8(byte* pairs)
    {
        if (Avx2.IsSupported) return Avx2.ConvertToVector256Int32((sbyte*)pairs);
        var bytes = Vector128.CreateScalarUnsafe(*(long*)pairs).AsSByte();
        return Vector256.WidenLower(Vector128.WidenLower(bytes).ToVector256Unsafe());
    }
}
