using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
    /// <summary>Stores a lane's element.</summary>
    static abstract void Store(byte* row, int lane, int width, int element);
}

/// <summary>
/// Four bits q, 32 to a block: w = s q with q from -8 to 7, Q4_0, or w = s q + m with q from 0 to 15, Q4_1 and Q4_K. A lane has the elements of
/// eight rows k, a group, in four adjacent bytes: those of rows 0 to 3 in their lower halves, of rows 4 to 7 in the upper, as <see cref="Digits"/>
/// need them. A group has as many bytes as eight rows have, and the address of a row only says which one of the group is meant.
/// </summary>
internal readonly unsafe struct Nibble<T> : IBlockElement where T : IBlockShape
{
    private const int Rows = 8, Top = 28; // rows of a group, bits below the highest four

    public static int Bits => 4;
    public static int BlockRows => T.Rows;
    public static int BlockFloats => T.HasMinimum ? 2 : 1;

    /// <summary>The bits above the element of each row of a group, in all lanes.</summary>
    private static ReadOnlySpan<uint> Shifts =>
    [
        28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
        20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
        12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
        4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
        24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24,
        16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
        8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    public static float Load(byte* row, int lane, int width) => Element(Group(row, width)[lane] << (int)Shift(row, width)[0]);

    public static void Store(byte* row, int lane, int width, int element)
    {
        var shift = Top - (int)Shift(row, width)[0];
        ref var rows = ref Group(row, width)[lane];
        rows = (rows & ~(0xFu << shift)) | ((uint)element & 0xF) << shift;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width)
    {
        var rows = Vector256.Load(Group(row, width) + lane);
        var shift = Shift(row, width);
        rows = Avx2.IsSupported ? Avx2.ShiftLeftLogicalVariable(rows, Vector256.Load(shift)) : rows << (int)shift[0];
        return Vector256.ConvertToSingle(T.HasMinimum ? (rows >>> Top).AsInt32() : rows.AsInt32() >> Top);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width)
    {
        var rows = Vector512.Load(Group(row, width) + lane);
        var shift = Shift(row, width);
        rows = Avx512F.IsSupported ? Avx512F.ShiftLeftLogicalVariable(rows, Vector512.Load(shift)) : rows << (int)shift[0];
        return Vector512.ConvertToSingle(T.HasMinimum ? (rows >>> Top).AsInt32() : rows.AsInt32() >> Top);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Addend8(float* block, int lane, int width) => ScaledByte<T>.Addend8(block, lane, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Addend16(float* block, int lane, int width) => ScaledByte<T>.Addend16(block, lane, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, Vector256<float> addend, int lane, int width) =>
        ScaledByte<T>.Scale8(elements, block, addend, lane, width);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, Vector512<float> addend, int lane, int width) =>
        ScaledByte<T>.Scale16(elements, block, addend, lane, width);

    private static int Element(uint top) => T.HasMinimum ? (int)(top >> Top) : (int)top >> Top;

    /// <summary>The bytes of a row's group, which start at a multiple of their number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Group(byte* row, int width) => (uint*)((nint)row & -(width * Rows / 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Shift(byte* row, int width)
    {
        const int Lanes = 16; // of Shifts
        var bytes = (nint)row & (width * Rows / 2 - 1); // from the start of the group
        return (uint*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(Shifts)) + bytes * (2 * Lanes / width);
    }
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
        T.HasMinimum ? Vector256.Load(block + width + lane) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Addend16(float* block, int lane, int width) =>
        T.HasMinimum ? Vector512.Load(block + width + lane) : default;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Scale8(Vector256<float> elements, float* block, Vector256<float> addend, int lane, int width) => T.HasMinimum
        ? Vector256.FusedMultiplyAdd(elements, Vector256.Load(block + lane), addend) : elements * Vector256.Load(block + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Scale16(Vector512<float> elements, float* block, Vector512<float> addend, int lane, int width) => T.HasMinimum
        ? Vector512.FusedMultiplyAdd(elements, Vector512.Load(block + lane), addend) : elements * Vector512.Load(block + lane);
}

/// <summary>The blocks of an element as a type, so that the compiler specializes the kernels.</summary>
internal interface IBlockShape
{
    /// <summary>Elements of a block.</summary>
    static abstract int Rows { get; }

    /// <summary>Whether w = s q + m, not s q.</summary>
    static abstract bool HasMinimum { get; }
}

/// <summary>Q4_0, Q5_0 and Q8_0.</summary>
internal readonly struct Blocks32 : IBlockShape
{
    public static int Rows => 32;
    public static bool HasMinimum => false;
}

/// <summary>Q4_1, Q4_K, Q5_1 and Q5_K.</summary>
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
