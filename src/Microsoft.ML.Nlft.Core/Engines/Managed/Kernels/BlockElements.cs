using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A type of which blocks of elements q of a row of W share a scale s and perhaps a minimum m: w = s q or s q + m, as in GGUF files. In a panel,
/// the rows k of a block follow the scales, and the minima, of all lanes. A weight has at most 24 significant bits before m is added, as s has at
/// most 17, so that one rounding is all that separates it from the exact value; s is 0 or at least 2^-24, the least float16.
/// </summary>
internal unsafe interface IBlockElement : IElement
{
    /// <summary>The scale of a lane's elements as they are loaded.</summary>
    static virtual float StoredScale(float scale, int lane, int width) => scale;

    /// <summary>Stores a lane's element.</summary>
    static abstract void Store(byte* row, int lane, int width, int element);
}

/// <summary>
/// Four bits q from -8 to 7, 32 to a block, w = s q: Q4_0. Lanes of the first half of a row lie in the lower halves of its bytes, as q + 8, those of
/// the second half in the upper, as q: one mask each takes them out, as q + 8 with the addend -8 s, and as 16 q with the scale s / 16. All of this
/// is exact.
/// </summary>
internal readonly unsafe struct Nibble : IBlockElement
{
    private const int Offset = 8;

    public static int Bits => 4;
    public static int BlockRows => 32;
    public static int BlockFloats => 1;

    public static float StoredScale(float scale, int lane, int width) => UnsignedNibble.StoredScale(scale, lane, width);

    public static float Load(byte* row, int lane, int width) => lane < width / 2 ? row[lane] & 0xF : (sbyte)(row[lane - width / 2] & 0xF0);

    public static void Store(byte* row, int lane, int width, int element) =>
        UnsignedNibble.Store(row, lane, width, lane < width / 2 ? element + Offset : element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width) =>
        Half8(Widen8(row + lane % (width / 2)), second: lane >= width / 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width) =>
        Half16(Widen16(row + lane % (width / 2)), second: lane >= width / 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Half8(Vector256<int> pairs, bool second) =>
        Vector256.ConvertToSingle(pairs & Vector256.Create(second ? ~0xF : 0xF));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Half16(Vector512<int> pairs, bool second) =>
        Vector512.ConvertToSingle(pairs & Vector512.Create(second ? ~0xF : 0xF));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Addend8(float* block, int lane, int width) =>
        lane < width / 2 ? Vector256.Load(block + lane) * -Offset : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Addend16(float* block, int lane, int width) =>
        lane < width / 2 ? Vector512.Load(block + lane) * -Offset : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, Vector256<float> addend, int lane, int width) => lane < width / 2
        ? Vector256.FusedMultiplyAdd(elements, Vector256.Load(block + lane), addend) : elements * Vector256.Load(block + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, Vector512<float> addend, int lane, int width) => lane < width / 2
        ? Vector512.FusedMultiplyAdd(elements, Vector512.Load(block + lane), addend) : elements * Vector512.Load(block + lane);

    /// <summary>Eight bytes, widened with their signs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> Widen8(byte* source)
    {
        if (Avx2.IsSupported) return Avx2.ConvertToVector256Int32((sbyte*)source);
        var bytes = Vector128.CreateScalarUnsafe(*(long*)source).AsSByte();
        return Vector256.WidenLower(Vector128.WidenLower(bytes).ToVector256Unsafe());
    }

    /// <summary>Sixteen bytes, widened with their signs.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<int> Widen16(byte* source) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)source))
        : Vector512.Create(Widen8(source), Widen8(source + 8));
}

/// <summary>
/// Four bits q from 0 to 15, 32 to a block, w = s q + m: Q4_1 and Q4_K. Lanes of the first half of a row lie in the lower halves of its bytes, those
/// of the second half in the upper, which a mask takes out as 16 q.
/// </summary>
internal readonly unsafe struct UnsignedNibble : IBlockElement
{
    public static int Bits => 4;
    public static int BlockRows => 32;
    public static int BlockFloats => 2;

    public static float StoredScale(float scale, int lane, int width) => lane < width / 2 ? scale : scale / 16;

    public static float Load(byte* row, int lane, int width) => lane < width / 2 ? row[lane] & 0xF : row[lane - width / 2] & 0xF0;

    public static void Store(byte* row, int lane, int width, int element)
    {
        ref var pair = ref row[lane % (width / 2)];
        pair = (byte)(lane < width / 2 ? (pair & 0xF0) | (element & 0xF) : (pair & 0xF) | (element << 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width) =>
        Half8(Nibble.Widen8(row + lane % (width / 2)), second: lane >= width / 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width) =>
        Half16(Nibble.Widen16(row + lane % (width / 2)), second: lane >= width / 2);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Half8(Vector256<int> pairs, bool second) =>
        Vector256.ConvertToSingle(pairs & Vector256.Create(second ? 0xF0 : 0xF));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Half16(Vector512<int> pairs, bool second) =>
        Vector512.ConvertToSingle(pairs & Vector512.Create(second ? 0xF0 : 0xF));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Addend8(float* block, int lane, int width) => Vector256.Load(block + width + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Addend16(float* block, int lane, int width) => Vector512.Load(block + width + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, Vector256<float> addend, int lane, int width) =>
        Vector256.FusedMultiplyAdd(elements, Vector256.Load(block + lane), addend);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, Vector512<float> addend, int lane, int width) =>
        Vector512.FusedMultiplyAdd(elements, Vector512.Load(block + lane), addend);
}

/// <summary>A signed byte q. <typeparamref name="T"/> says how many share a scale, and whether there is a minimum.</summary>
internal readonly unsafe struct ScaledByte<T> : IBlockElement where T : IBlockShape
{
    public static int Bits => 8;
    public static int BlockRows => T.Rows;
    public static int BlockFloats => T.HasMinimum ? 2 : 1;

    public static float Load(byte* row, int lane, int width) => (sbyte)row[lane];

    public static void Store(byte* row, int lane, int width, int element) => row[lane] = (byte)element;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width) => Int8.Load8(row, lane, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width) => Int8.Load16(row, lane, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Addend8(float* block, int lane, int width) =>
        T.HasMinimum ? UnsignedNibble.Addend8(block, lane, width) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Addend16(float* block, int lane, int width) =>
        T.HasMinimum ? UnsignedNibble.Addend16(block, lane, width) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, Vector256<float> addend, int lane, int width) => T.HasMinimum
        ? UnsignedNibble.Scale8(elements, block, addend, lane, width) : elements * Vector256.Load(block + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, Vector512<float> addend, int lane, int width) => T.HasMinimum
        ? UnsignedNibble.Scale16(elements, block, addend, lane, width) : elements * Vector512.Load(block + lane);
}

/// <summary>The blocks of a <see cref="ScaledByte{T}"/> as a type, so that the compiler specializes the kernels.</summary>
internal interface IBlockShape
{
    /// <summary>Elements of a block.</summary>
    static abstract int Rows { get; }

    /// <summary>Whether w = s q + m, not s q.</summary>
    static abstract bool HasMinimum { get; }
}

/// <summary>Q8_0 and Q5_0.</summary>
internal readonly struct Blocks32 : IBlockShape
{
    public static int Rows => 32;
    public static bool HasMinimum => false;
}

/// <summary>Q5_1 and Q5_K.</summary>
internal readonly struct Blocks32WithMinimum : IBlockShape
{
    public static int Rows => 32;
    public static bool HasMinimum => true;
}

/// <summary>Q3_K and Q6_K.</summary>
internal readonly struct Blocks16 : IBlockShape
{
    public static int Rows => 16;
    public static bool HasMinimum => false;
}

/// <summary>Q2_K.</summary>
internal readonly struct Blocks16WithMinimum : IBlockShape
{
    public static int Rows => 16;
    public static bool HasMinimum => true;
}
