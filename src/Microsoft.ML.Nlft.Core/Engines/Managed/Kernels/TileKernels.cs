using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// C[Rows x Columns] (+)= alpha * A[Rows x depth] B[depth x Columns], with C kept in registers over the whole depth. Each element
/// is one chain of fused multiply-adds in the order of k, so every kernel gives the same bits.
/// </summary>
internal unsafe interface ITileKernel
{
    static abstract int Rows { get; }
    static abstract int Columns { get; }

    /// <param name="a">A[0, 0]; element [i, k] lies at a + i * aRow + k * aStep.</param>
    /// <param name="aRow">Elements from one row of A to the next.</param>
    /// <param name="aStep">Elements from one column of A to the next.</param>
    /// <param name="b">The packed panel: b[k * Columns + j].</param>
    /// <param name="depth">Number of products summed.</param>
    /// <param name="c">C[0, 0], row-major.</param>
    /// <param name="cRow">Elements from one row of C to the next.</param>
    /// <param name="alpha">Factor on the product.</param>
    /// <param name="accumulate">Whether C is added to, rather than overwritten.</param>
    static abstract void Multiply(float* a, nint aRow, nint aStep, float* b, int depth, float* c, nint cRow, float alpha, bool accumulate);
}

/// <summary>12 x 32 in 24 of AVX-512's 32 registers.</summary>
internal readonly unsafe struct Tile512 : ITileKernel
{
    public static int Rows => 12;
    public static int Columns => 32;

    [SkipLocalsInit]
    public static void Multiply(float* a, nint aRow, nint aStep, float* b, int depth, float* c, nint cRow, float alpha, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default, c50 = default, c51 = default, c60 = default, c61 = default, c70 = default, c71 = default;
        Vector512<float> c80 = default, c81 = default, c90 = default, c91 = default, ca0 = default, ca1 = default, cb0 = default, cb1 = default;
        // Three row pointers and two strides reach all twelve rows: base, base + row, base + 2 row, base + 3 row.
        float* a0 = a, a4 = a + 4 * aRow, a8 = a + 8 * aRow;
        nint row2 = 2 * aRow, row3 = 3 * aRow;
        for (var k = 0; k < depth; k++)
        {
            var b0 = Vector512.Load(b);
            var b1 = Vector512.Load(b + 16);
            var x = Vector512.Create(a0[0]); c00 = Vector512.FusedMultiplyAdd(x, b0, c00); c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a0[aRow]); c10 = Vector512.FusedMultiplyAdd(x, b0, c10); c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            x = Vector512.Create(a0[row2]); c20 = Vector512.FusedMultiplyAdd(x, b0, c20); c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            x = Vector512.Create(a0[row3]); c30 = Vector512.FusedMultiplyAdd(x, b0, c30); c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            x = Vector512.Create(a4[0]); c40 = Vector512.FusedMultiplyAdd(x, b0, c40); c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            x = Vector512.Create(a4[aRow]); c50 = Vector512.FusedMultiplyAdd(x, b0, c50); c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
            x = Vector512.Create(a4[row2]); c60 = Vector512.FusedMultiplyAdd(x, b0, c60); c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
            x = Vector512.Create(a4[row3]); c70 = Vector512.FusedMultiplyAdd(x, b0, c70); c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
            x = Vector512.Create(a8[0]); c80 = Vector512.FusedMultiplyAdd(x, b0, c80); c81 = Vector512.FusedMultiplyAdd(x, b1, c81);
            x = Vector512.Create(a8[aRow]); c90 = Vector512.FusedMultiplyAdd(x, b0, c90); c91 = Vector512.FusedMultiplyAdd(x, b1, c91);
            x = Vector512.Create(a8[row2]); ca0 = Vector512.FusedMultiplyAdd(x, b0, ca0); ca1 = Vector512.FusedMultiplyAdd(x, b1, ca1);
            x = Vector512.Create(a8[row3]); cb0 = Vector512.FusedMultiplyAdd(x, b0, cb0); cb1 = Vector512.FusedMultiplyAdd(x, b1, cb1);
            a0 += aStep; a4 += aStep; a8 += aStep; b += 32;
        }
        Store(c, c00, c01, alpha, accumulate); c += cRow;
        Store(c, c10, c11, alpha, accumulate); c += cRow;
        Store(c, c20, c21, alpha, accumulate); c += cRow;
        Store(c, c30, c31, alpha, accumulate); c += cRow;
        Store(c, c40, c41, alpha, accumulate); c += cRow;
        Store(c, c50, c51, alpha, accumulate); c += cRow;
        Store(c, c60, c61, alpha, accumulate); c += cRow;
        Store(c, c70, c71, alpha, accumulate); c += cRow;
        Store(c, c80, c81, alpha, accumulate); c += cRow;
        Store(c, c90, c91, alpha, accumulate); c += cRow;
        Store(c, ca0, ca1, alpha, accumulate); c += cRow;
        Store(c, cb0, cb1, alpha, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector512<float> left, Vector512<float> right, float alpha, bool accumulate)
    {
        (left, right) = (left * alpha, right * alpha);
        if (accumulate) (left, right) = (left + Vector512.Load(c), right + Vector512.Load(c + 16));
        left.Store(c);
        right.Store(c + 16);
    }
}

/// <summary>6 x 16 in 12 of AVX2's 16 registers; on Arm64 each vector is two of its 128-bit registers.</summary>
internal readonly unsafe struct Tile256 : ITileKernel
{
    public static int Rows => 6;
    public static int Columns => 16;

    [SkipLocalsInit]
    public static void Multiply(float* a, nint aRow, nint aStep, float* b, int depth, float* c, nint cRow, float alpha, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        float* a0 = a, a3 = a + 3 * aRow;
        var row2 = 2 * aRow;
        for (var k = 0; k < depth; k++)
        {
            var b0 = Vector256.Load(b);
            var b1 = Vector256.Load(b + 8);
            var x = Vector256.Create(a0[0]); c00 = Vector256.FusedMultiplyAdd(x, b0, c00); c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a0[aRow]); c10 = Vector256.FusedMultiplyAdd(x, b0, c10); c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a0[row2]); c20 = Vector256.FusedMultiplyAdd(x, b0, c20); c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(a3[0]); c30 = Vector256.FusedMultiplyAdd(x, b0, c30); c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            x = Vector256.Create(a3[aRow]); c40 = Vector256.FusedMultiplyAdd(x, b0, c40); c41 = Vector256.FusedMultiplyAdd(x, b1, c41);
            x = Vector256.Create(a3[row2]); c50 = Vector256.FusedMultiplyAdd(x, b0, c50); c51 = Vector256.FusedMultiplyAdd(x, b1, c51);
            a0 += aStep; a3 += aStep; b += 16;
        }
        Store(c, c00, c01, alpha, accumulate); c += cRow;
        Store(c, c10, c11, alpha, accumulate); c += cRow;
        Store(c, c20, c21, alpha, accumulate); c += cRow;
        Store(c, c30, c31, alpha, accumulate); c += cRow;
        Store(c, c40, c41, alpha, accumulate); c += cRow;
        Store(c, c50, c51, alpha, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector256<float> left, Vector256<float> right, float alpha, bool accumulate)
    {
        (left, right) = (left * alpha, right * alpha);
        if (accumulate) (left, right) = (left + Vector256.Load(c), right + Vector256.Load(c + 8));
        left.Store(c);
        right.Store(c + 8);
    }
}
