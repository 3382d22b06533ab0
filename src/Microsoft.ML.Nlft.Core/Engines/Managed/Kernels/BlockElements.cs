using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A type of which blocks of elements q of a row of W share a scale s and perhaps a minimum m: w = s q or s q + m, as in GGUF files. In a panel,
/// the rows k of a block follow the scales, and the minima, of all lanes. A weight has at most 24 significant bits before m is added, as s has at
/// most 17, so that one rounding is all that separates it from the exact value.
/// </summary>
internal unsafe interface IBlockElement : IElement
{
    /// <summary>Stores a lane's element.</summary>
    static abstract void Store(byte* row, int lane, int width, int element);
}

/// <summary>
/// Four bits q from -8 to 7, 32 to a block, w = s q: Q4_0. Lanes of the first half of a row lie in the lower halves of its bytes, those of the
/// second half in the upper.
/// </summary>
internal readonly unsafe struct Nibble : IBlockElement
{
    public static int Bits => 4;
    public static int BlockRows => 32;
    public static int BlockFloats => 1;

    public static float Load(byte* row, int lane, int width) => lane < width / 2 ? (sbyte)(row[lane] << 4) >> 4 : (sbyte)row[lane - width / 2] >> 4;

    public static void Store(byte* row, int lane, int width, int element)
    {
        ref var pair = ref row[lane % (width / 2)];
        pair = (byte)(lane < width / 2 ? (pair & 0xF0) | (element & 0xF) : (pair & 0xF) | (element << 4));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width)
    {
        var upper = lane >= width / 2;
        var pairs = Widen8(row + (upper ? lane - width / 2 : lane));
        return Vector256.ConvertToSingle(upper ? pairs >> 4 : pairs << 28 >> 28);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width)
    {
        var upper = lane >= width / 2;
        var pairs = Widen16(row + (upper ? lane - width / 2 : lane));
        return Vector512.ConvertToSingle(upper ? pairs >> 4 : pairs << 28 >> 28);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, int lane, int width) => elements * Vector256.Load(block + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, int lane, int width) => elements * Vector512.Load(block + lane);

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

/// <summary>Four bits q from 0 to 15, 32 to a block, w = s q + m: Q4_1 and Q4_K. Lanes lie as in <see cref="Nibble"/>.</summary>
internal readonly unsafe struct UnsignedNibble : IBlockElement
{
    public static int Bits => 4;
    public static int BlockRows => 32;
    public static int BlockFloats => 2;

    public static float Load(byte* row, int lane, int width) => lane < width / 2 ? row[lane] & 15 : row[lane - width / 2] >> 4;

    public static void Store(byte* row, int lane, int width, int element) => Nibble.Store(row, lane, width, element);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width)
    {
        var upper = lane >= width / 2;
        var pairs = Nibble.Widen8(row + (upper ? lane - width / 2 : lane));
        return Vector256.ConvertToSingle((upper ? pairs >> 4 : pairs) & Vector256.Create(15));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width)
    {
        var upper = lane >= width / 2;
        var pairs = Nibble.Widen16(row + (upper ? lane - width / 2 : lane));
        return Vector512.ConvertToSingle((upper ? pairs >> 4 : pairs) & Vector512.Create(15));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, int lane, int width) =>
        Vector256.FusedMultiplyAdd(elements, Vector256.Load(block + lane), Vector256.Load(block + width + lane));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, int lane, int width) =>
        Vector512.FusedMultiplyAdd(elements, Vector512.Load(block + lane), Vector512.Load(block + width + lane));
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
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, int lane, int width) =>
        T.HasMinimum ? UnsignedNibble.Scale8(elements, block, lane, width) : Nibble.Scale8(elements, block, lane, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, int lane, int width) =>
        T.HasMinimum ? UnsignedNibble.Scale16(elements, block, lane, width) : Nibble.Scale16(elements, block, lane, width);
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
