using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A type in which a <see cref="PackedWeight"/> stores its panels, and how a kernel widens its elements to float32 in registers.
/// A row of a panel has as many lanes as a tile has columns, 16 or 32. The compiler specializes the kernels for each type.
/// </summary>
internal unsafe interface IElement
{
    /// <summary>The type of the elements in files; null if no file holds them so.</summary>
    static virtual TensorType? Type => null;

    /// <summary>Bits of one element.</summary>
    static abstract int Bits { get; }

    /// <summary>Whether every row of the weight has a scale.</summary>
    static virtual bool IsScaled => false;

    /// <summary>The index at which a lane is stored in a row of <paramref name="width"/> lanes.</summary>
    static virtual int Slot(int lane, int width) => lane;

    /// <summary>How many rows of a panel share the scales that stand before them, one per lane; 0 for a type without.</summary>
    static virtual int BlockRows => 0;

    /// <summary>How many floats per lane stand before a block: 1, its scale; 2, its scale and its minimum.</summary>
    static virtual int BlockFloats => 0;

    /// <summary>
    /// What a block adds to the weights of eight lanes, taken once a block: m, or for elements q + z, -z s. The scales and then the minima of all
    /// lanes are at <paramref name="block"/>.
    /// </summary>
    static virtual Vector256<float> Addend8(float* block, int lane, int width) => default;

    /// <summary>Returns the weights of eight lanes from their elements, s q or s q + m.</summary>
    static virtual Vector256<float> Scale8(Vector256<float> elements, float* block, Vector256<float> addend, int lane, int width) => elements;

    /// <summary>What a block adds to the weights of sixteen lanes, as <see cref="Addend8"/>.</summary>
    static virtual Vector512<float> Addend16(float* block, int lane, int width) => default;

    /// <summary>Returns the weights of sixteen lanes, as <see cref="Scale8"/>.</summary>
    static virtual Vector512<float> Scale16(Vector512<float> elements, float* block, Vector512<float> addend, int lane, int width) => elements;

    /// <summary>Loads one lane.</summary>
    static abstract float Load(byte* row, int lane, int width);

    /// <summary>Loads eight lanes from <paramref name="lane"/> on, a multiple of 8.</summary>
    static abstract Vector256<float> Load8(byte* row, int lane, int width);

    /// <summary>Loads sixteen lanes from <paramref name="lane"/> on, a multiple of 16.</summary>
    static abstract Vector512<float> Load16(byte* row, int lane, int width);
}

/// <summary>float32, stored as it is.</summary>
internal readonly unsafe struct Float32 : IElement
{
    public static TensorType? Type => TensorType.F32;
    public static int Bits => 32;
    public static float Load(byte* row, int lane, int width) => ((float*)row)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width) => Vector256.Load((float*)row + lane);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width) => Vector512.Load((float*)row + lane);
}

/// <summary>
/// The upper half of a float32. The lanes of a row's first half are stored in the even slots, those of its second half in the odd slots:
/// one 32-bit load and one shift then yield adjacent lanes. The odd slots are loaded two bytes further on and shifted too, because a mask
/// would compete with the multiplications for execution ports.
/// </summary>
internal readonly unsafe struct BFloat16 : IElement
{
    public static TensorType? Type => TensorType.BF16;
    public static int Bits => 16;

    public static int Slot(int lane, int width) => lane < width / 2 ? 2 * lane : 2 * (lane - width / 2) + 1;

    public static float Load(byte* row, int lane, int width) => BitConverter.UInt32BitsToSingle((uint)((ushort*)row)[Slot(lane, width)] << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width) => (Vector256.Load((uint*)Address(row, lane, width)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width) => (Vector512.Load((uint*)Address(row, lane, width)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Address(byte* row, int lane, int width) => lane < width / 2 ? row + 4 * lane : row + 4 * (lane - width / 2) + 2;
}

/// <summary>IEEE 754 half precision.</summary>
internal readonly unsafe struct Float16 : IElement
{
    private const float ExponentShift = 5.192296858534828e33f; // 2^112 = 2^(127 - 15), the difference of the exponent biases

    public static TensorType? Type => TensorType.F16;
    public static int Bits => 16;
    public static float Load(byte* row, int lane, int width) => (float)((Half*)row)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width)
    {
        var bits = Vector256.WidenLower(Vector128.Load((ushort*)row + lane).ToVector256Unsafe());
        var magnitude = ((bits & Vector256.Create(0x7FFFu)) << 13).AsSingle() * Vector256.Create(ExponentShift); // exact, also for subnormal numbers
        var special = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(65536f)); // an exponent of all ones: infinity or NaN
        return (magnitude.AsUInt32() | (special.AsUInt32() & Vector256.Create(0x7F800000u)) | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width)
    {
        var bits = Vector512.WidenLower(Vector256.Load((ushort*)row + lane).ToVector512Unsafe());
        var magnitude = ((bits & Vector512.Create(0x7FFFu)) << 13).AsSingle() * Vector512.Create(ExponentShift);
        var special = Vector512.GreaterThanOrEqual(magnitude, Vector512.Create(65536f));
        return (magnitude.AsUInt32() | (special.AsUInt32() & Vector512.Create(0x7F800000u)) | ((bits & Vector512.Create(0x8000u)) << 16)).AsSingle();
    }
}

/// <summary>
/// A signed byte q with one scale s per row: w = s q, s = max |w| / 127, q = round(w / s). The error of a weight is at most s / 2,
/// which is 1/254 of the largest magnitude in its row.
/// </summary>
internal readonly unsafe struct Int8 : IElement
{
    public static int Bits => 8;
    public static bool IsScaled => true;
    public static float Load(byte* row, int lane, int width) => ((sbyte*)row)[lane];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load8(byte* row, int lane, int width)
    {
        // vpmovsxbd from memory, then vcvtdq2ps
        if (Avx2.IsSupported) return Avx.ConvertToVector256Single(Avx2.ConvertToVector256Int32((sbyte*)row + lane));
        var bytes = Vector128.CreateScalarUnsafe(*(long*)(row + lane)).AsSByte();
        return Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.WidenLower(bytes).ToVector256Unsafe()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load16(byte* row, int lane, int width) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Single(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)row + lane)))
        : Vector512.Create(Load8(row, lane, width), Load8(row, lane + 8, width));

    /// <summary>Replaces the weights of a row by their q, integers from -127 to 127, and returns s. A row of zeros has the scale 0.</summary>
    public static float Quantize(Span<float> row)
    {
        var largest = 0f;
        foreach (var value in row) largest = MathF.Max(largest, MathF.Abs(value));
        var scale = largest / 127;
        var inverse = scale > 0 ? 1 / scale : 0;
        foreach (ref var value in row) value = MathF.Round(Math.Clamp(value * inverse, -127, 127));
        return scale;
    }
}
