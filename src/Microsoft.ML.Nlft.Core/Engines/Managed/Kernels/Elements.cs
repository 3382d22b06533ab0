using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A type in which a <see cref="PackedWeight"/> holds its panels, and how their elements become float32 on the way into a product. A row of a panel is as
/// wide as a tile, 16 or 32 lanes. Kernels are compiled once for each type.
/// </summary>
internal unsafe interface IElement
{
    /// <summary>The type of the elements.</summary>
    static abstract TensorType Type { get; }

    /// <summary>Bytes of one element.</summary>
    static abstract int Size { get; }

    /// <summary>Whether every row of the weight has a factor.</summary>
    static virtual bool IsScaled => false;

    /// <summary>Where a lane lies in a row of <paramref name="width"/> lanes.</summary>
    static virtual int Place(int lane, int width) => lane;

    /// <summary>One lane.</summary>
    static abstract float One(byte* row, int lane, int width);

    /// <summary>Eight lanes from <paramref name="lane"/>, a multiple of eight, on.</summary>
    static abstract Vector256<float> Eight(byte* row, int lane, int width);

    /// <summary>Sixteen lanes from <paramref name="lane"/>, a multiple of sixteen, on.</summary>
    static abstract Vector512<float> Sixteen(byte* row, int lane, int width);
}

internal readonly unsafe struct Float32 : IElement
{
    public static TensorType Type => TensorType.F32;
    public static int Size => 4;
    public static float One(byte* row, int lane, int width) => ((float*)row)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Eight(byte* row, int lane, int width) => Vector256.Load((float*)row + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sixteen(byte* row, int lane, int width) => Vector512.Load((float*)row + lane);
}

/// <summary>
/// The upper half of a float32. The first half of a row's lanes takes the even places and the second half the odd ones, so that one shift makes a vector of
/// neighbours. For the odd ones it is a shift of what lies one place further: a mask would take turns from the multipliers.
/// </summary>
internal readonly unsafe struct BFloat16 : IElement
{
    public static TensorType Type => TensorType.BF16;
    public static int Size => 2;

    public static int Place(int lane, int width) => lane < width / 2 ? 2 * lane : 2 * (lane - width / 2) + 1;

    public static float One(byte* row, int lane, int width) => BitConverter.UInt32BitsToSingle((uint)((ushort*)row)[Place(lane, width)] << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Eight(byte* row, int lane, int width) => (Vector256.Load((uint*)At(row, lane, width)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sixteen(byte* row, int lane, int width) => (Vector512.Load((uint*)At(row, lane, width)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* At(byte* row, int lane, int width) => lane < width / 2 ? row + 4 * lane : row + 4 * (lane - width / 2) + 2;
}

internal readonly unsafe struct Float16 : IElement
{
    private const float ExponentShift = 5.192296858534828e33f; // 2^112 = 2^(127 - 15): from one exponent bias to the other

    public static TensorType Type => TensorType.F16;
    public static int Size => 2;
    public static float One(byte* row, int lane, int width) => (float)((Half*)row)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Eight(byte* row, int lane, int width)
    {
        var bits = Vector256.WidenLower(Vector128.Load((ushort*)row + lane).ToVector256Unsafe());
        var magnitude = ((bits & Vector256.Create(0x7FFFu)) << 13).AsSingle() * Vector256.Create(ExponentShift); // exact, subnormal numbers too
        var special = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(65536f)); // an exponent of all ones: infinity or NaN
        return (magnitude.AsUInt32() | (special.AsUInt32() & Vector256.Create(0x7F800000u)) | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sixteen(byte* row, int lane, int width)
    {
        var bits = Vector512.WidenLower(Vector256.Load((ushort*)row + lane).ToVector512Unsafe());
        var magnitude = ((bits & Vector512.Create(0x7FFFu)) << 13).AsSingle() * Vector512.Create(ExponentShift);
        var special = Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(65536f));
        return (magnitude.AsUInt32() | (special.AsUInt32() & Vector512.Create(0x7F800000u)) | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle();
    }
}

/// <summary>
/// A signed byte q with one factor per row: w = s q, s = max |w| / 127 and q = round(w / s), so that every weight is off by at most s / 2, that is 1/254 of
/// the largest of its row.
/// </summary>
internal readonly unsafe struct Int8 : IElement
{
    public static TensorType Type => TensorType.I8;
    public static int Size => 1;
    public static bool IsScaled => true;
    public static float One(byte* row, int lane, int width) => ((sbyte*)row)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Eight(byte* row, int lane, int width)
    {
        if (Avx2.IsSupported) return Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32((sbyte*)row + lane)); // from memory, in two instructions
        var bytes = Vector128.CreateScalarUnsafe(*(long*)(row + lane)).AsSByte();
        return Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.WidenLower(bytes).ToVector256Unsafe()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sixteen(byte* row, int lane, int width) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)row + lane)))
        : Vector512.Create(Eight(row, lane, width), Eight(row, lane + 8, width));

    /// <summary>Replaces a row by its q, whole numbers from -127 to 127, and returns s; a row of zeros has the factor 0.</summary>
    public static float Round(Span<float> row)
    {
        var largest = 0f;
        foreach (var value in row) largest = MathF.Max(largest, MathF.Abs(value));
        var scale = largest / 127;
        var inverse = scale > 0 ? 1 / scale : 0;
        foreach (ref var value in row) value = MathF.Round(Math.Clamp(value * inverse, -127, 127));
        return scale;
    }
}
