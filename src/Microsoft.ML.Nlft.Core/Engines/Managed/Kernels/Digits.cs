using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Rows of x in whole numbers, for products with weights of 4 bits, <see cref="Nibble{T}"/>, in decoding. In each block of 32 elements, x = u X
/// with u a power of two and X = 65536 d2 + 256 d1 + d0, each digit from -128 to 127. Sums of digits times q are sums of small integers: exact, in
/// whatever order, and four of them are added where a vector holds one float. What is lost is at most u / 2 of an element of x, 2^-22 of the largest
/// magnitude in its block.
/// </summary>
internal static unsafe class Digits
{
    /// <summary>Elements of a block.</summary>
    public const int BlockLength = 32;

    /// <summary>Bytes of a block: for every four elements d0, d1, d2 and a float32, the first of which is u, the second the sum of u X.</summary>
    public const int BlockBytes = 4 * BlockLength;

    /// <summary>What weights without minima are less than their elements q.</summary>
    public const int Middle = 8;

    /// <summary>Bytes from four elements to the next four, and from one of their digits to the next.</summary>
    public const int FourBytes = 16, Place = 4;

    private const int Unit = 3 * Place, Sum = Unit + FourBytes;

    // |X| is at most 2^23, or half of it where the largest would have a digit d2 of 128.
    private const int Places = 22, LeastExponent = -100, Bias = 127, SignificandBits = 23;
    private const float Room = 8388608f / 8355711;

    /// <summary>Returns the bytes of a row.</summary>
    public static nint RowBytes(int columns) => (nint)((columns + BlockLength - 1) / BlockLength) * BlockBytes;

    /// <summary>Writes a row.</summary>
    public static void Write(ReadOnlySpan<float> x, byte* row)
    {
        var last = stackalloc float[BlockLength];
        fixed (float* values = x)
        {
            for (var k = 0; k < x.Length; k += BlockLength, row += BlockBytes)
            {
                var whole = x.Length - k >= BlockLength;
                if (!whole)
                {
                    new Span<float>(last, BlockLength).Clear();
                    x[k..].CopyTo(new Span<float>(last, BlockLength));
                }
                WriteBlock(whole ? values + k : last, row);
            }
        }
    }

    /// <summary>The factor u of a block, in every lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float UnitOf(byte* block) => *(float*)(block + Unit);

    /// <summary>The sum of a block's elements u X.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float SumOf(byte* block) => *(float*)(block + Sum);

    /// <summary>q times four digits: in each 16 bits, the sum of two products.</summary>
    /// <param name="q">Four numbers from 0 to 15 a lane of 32 bits.</param>
    /// <param name="digits">Four digits.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> Multiply(Vector256<byte> q, byte* digits)
    {
        var x = Vector256.Create(*(int*)digits).AsSByte();
        if (Avx2.IsSupported) return Avx2.MultiplyAddAdjacent(q, x);
        var (pairs, pairsOfX) = (q.AsInt16(), x.AsInt16());
        return (pairs & Vector256.Create((short)0xFF)) * ((pairsOfX << 8) >> 8) + (pairs >>> 8) * (pairsOfX >> 8);
    }

    /// <inheritdoc cref="Multiply(Vector256{byte}, byte*)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> Multiply(Vector512<byte> q, byte* digits)
    {
        var x = Vector512.Create(*(int*)digits).AsSByte();
        return Avx512BW.IsSupported ? Avx512BW.MultiplyAddAdjacent(q, x)
            : Vector512.Create(Multiply(q.GetLower(), digits), Multiply(q.GetUpper(), digits));
    }

    /// <summary>q X of a block from the sums of its digits, 65536 s2 + 256 s1 + s0, in two roundings.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Value(Vector256<short> s2, Vector256<short> s1, Vector256<short> s0)
    {
        var base256 = Vector256.Create(256f);
        return Vector256.FusedMultiplyAdd(Vector256.FusedMultiplyAdd(Total(s2), base256, Total(s1)), base256, Total(s0));
    }

    /// <inheritdoc cref="Value(Vector256{short}, Vector256{short}, Vector256{short})"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Value(Vector512<short> s2, Vector512<short> s1, Vector512<short> s0)
    {
        var base256 = Vector512.Create(256f);
        return Vector512.FusedMultiplyAdd(Vector512.FusedMultiplyAdd(Total(s2), base256, Total(s1)), base256, Total(s0));
    }

    /// <summary>The sum of the two numbers in each 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Total(Vector256<short> pairs) => Vector256.ConvertToSingle(
        Avx2.IsSupported ? Avx2.MultiplyAddAdjacent(pairs, Vector256<short>.One) : ((pairs.AsInt32() << 16) >> 16) + (pairs.AsInt32() >> 16));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Total(Vector512<short> pairs) => Vector512.ConvertToSingle(Avx512BW.IsSupported
        ? Avx512BW.MultiplyAddAdjacent(pairs, Vector512<short>.One) : ((pairs.AsInt32() << 16) >> 16) + (pairs.AsInt32() >> 16));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void WriteBlock(float* x, byte* block)
    {
        Vector256<float> x0 = Vector256.Load(x), x1 = Vector256.Load(x + 8), x2 = Vector256.Load(x + 16), x3 = Vector256.Load(x + 24);
        // NaN stays.
        var most = Vector256.Max(Vector256.Max(Vector256.Abs(x0), Vector256.Abs(x1)), Vector256.Max(Vector256.Abs(x2), Vector256.Abs(x3)));
        var half = Vector128.Max(most.GetLower(), most.GetUpper());
        var magnitude = MathF.Max(MathF.Max(half[0], half[1]), MathF.Max(half[2], half[3]));
        var exponent = Math.Max((BitConverter.SingleToInt32Bits(magnitude * Room) >> SignificandBits) - Bias, LeastExponent);
        var unit = float.IsFinite(magnitude) ? PowerOfTwo(exponent - Places) : float.NaN;
        var inverse = Vector256.Create(PowerOfTwo(Places - exponent));
        Vector256<int> w0 = Whole(x0 * inverse), w1 = Whole(x1 * inverse), w2 = Whole(x2 * inverse), w3 = Whole(x3 * inverse);
        Put(w0, block);
        Put(w1, block + 2 * FourBytes);
        Put(w2, block + 4 * FourBytes);
        Put(w3, block + 6 * FourBytes);
        *(float*)(block + Unit) = unit;
        *(float*)(block + Sum) = Vector256.Sum(w0 + w1 + (w2 + w3)) * unit;
    }

    private static float PowerOfTwo(int exponent) => BitConverter.Int32BitsToSingle((exponent + Bias) << SignificandBits);

    /// <summary>The nearest whole numbers, even ones between two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Whole(Vector256<float> x) =>
        Avx.IsSupported ? Avx.ConvertToVector256Int32(x) : Vector256.ConvertToInt32(Vector256.Round(x));

    /// <summary>Stores the digits of eight numbers: the bytes of X + 808080 (hexadecimal), less 80 each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(Vector256<int> whole, byte* digits)
    {
        var middle = Vector256.Create(0x808080);
        var bytes = ((whole + middle) ^ middle).AsByte();
        var places = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        if (Avx2.IsSupported)
        {
            Avx2.Shuffle(bytes, Vector256.Create(places, places)).Store(digits);
            return;
        }
        Vector128.Shuffle(bytes.GetLower(), places).Store(digits);
        Vector128.Shuffle(bytes.GetUpper(), places).Store(digits + FourBytes);
    }
}
