using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A type in which weights are stored, and how its elements become float32. Kernels are compiled once for each.</summary>
internal unsafe interface IElement
{
    /// <summary>Bytes of one element.</summary>
    static abstract int Size { get; }

    /// <summary>Whether every row has a factor.</summary>
    static virtual bool IsScaled => false;

    /// <summary>The eight elements at <paramref name="source"/>, without the row's factor.</summary>
    static abstract Vector256<float> Load(byte* source);

    /// <summary>One element, without the row's factor.</summary>
    static abstract float LoadOne(byte* source);
}

internal readonly unsafe struct Float32 : IElement
{
    public static int Size => 4;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => Vector256.Load((float*)source);
    public static float LoadOne(byte* source) => *(float*)source;
}

/// <summary>The upper half of a float32.</summary>
internal readonly unsafe struct BFloat16 : IElement
{
    public static int Size => 2;
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source) => (Vector256.WidenLower(Vector128.Load((ushort*)source).ToVector256Unsafe()) << 16).AsSingle();
    public static float LoadOne(byte* source) => BitConverter.UInt32BitsToSingle((uint)*(ushort*)source << 16);

    /// <summary>Elements 0, 2, ..., 14 of sixteen: one shift, where neighbours take a shuffle too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadEven(byte* source) => (Vector256.Load((uint*)source) << 16).AsSingle();

    /// <summary>Elements 1, 3, ..., 15 of sixteen. Reads the seventeenth: a shift, unlike a mask, keeps clear of the multipliers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LoadOdd(byte* source) => LoadEven(source + Size);

    /// <summary>Copies sixteen floats to meet <see cref="LoadEven"/> and <see cref="LoadOdd"/>.</summary>
    public static void Split(float* source, float* target)
    {
        if (Avx.IsSupported)
        {
            Vector256<float> a = Vector256.Create(Vector128.Load(source), Vector128.Load(source + 8)), b = Vector256.Create(Vector128.Load(source + 4), Vector128.Load(source + 12));
            Avx.Shuffle(a, b, 0x88).Store(target);
            Avx.Shuffle(a, b, 0xDD).Store(target + 8);
        }
        else
            for (var i = 0; i < 8; i++) (target[i], target[8 + i]) = (source[2 * i], source[2 * i + 1]);
    }
}

internal readonly unsafe struct Float16 : IElement
{
    private const float ExponentShift = 5.192296858534828e33f; // 2^112 = 2^(127 - 15): from one exponent bias to the other

    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source)
    {
        var bits = Vector256.WidenLower(Vector128.Load((ushort*)source).ToVector256Unsafe());
        var magnitude = ((bits & Vector256.Create(0x7FFFu)) << 13).AsSingle() * Vector256.Create(ExponentShift); // exact, subnormal numbers too
        var special = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(65536f)); // an exponent of all ones: infinity or NaN
        return (magnitude.AsUInt32() | (special.AsUInt32() & Vector256.Create(0x7F800000u)) | ((bits & Vector256.Create(0x8000u)) << 16)).AsSingle();
    }

    public static float LoadOne(byte* source) => (float)*(Half*)source;
}

/// <summary>A signed byte times its row's factor; see <see cref="Layers.Int8Matrix"/>.</summary>
internal readonly unsafe struct Int8 : IElement
{
    public static int Size => 1;
    public static bool IsScaled => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(byte* source)
    {
        var bytes = Vector128.CreateScalarUnsafe(*(long*)source).AsSByte();
        return Vector256.ConvertToSingle(Vector256.WidenLower(Vector128.WidenLower(bytes).ToVector256Unsafe()));
    }

    public static float LoadOne(byte* source) => *(sbyte*)source;
}
