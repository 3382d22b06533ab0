using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>6 x 16: 12 sums, 2 of B and 1 of A in AVX2's 16 registers; on Arm64 each vector is two of its 128-bit registers.</summary>
internal readonly unsafe struct Tile256 : ITile
{
    public static int Rows => 6;
    public static int Columns => 16;

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TRows>(LeftFactor* left, int count, nint row, float* b, float* c, nint cRow, float alpha, float* d, nint dRow) where TRows : IRowCount
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        for (var last = left + count; left < last; left++)
        {
            float* a0 = left->A + row * left->Row, a3 = a0 + 3 * left->Row; // two pointers and two strides reach all rows
            nint aRow = left->Row, row2 = 2 * aRow, step = left->Step;
            for (var end = b + 16 * (nint)left->Depth; b < end; b += 16, a0 += step, a3 += step)
            {
                Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8), x = Vector256.Create(a0[0]);
                c00 = Vector256.FusedMultiplyAdd(x, b0, c00); c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
                if (TRows.Count > 1) { x = Vector256.Create(a0[aRow]); c10 = Vector256.FusedMultiplyAdd(x, b0, c10); c11 = Vector256.FusedMultiplyAdd(x, b1, c11); }
                if (TRows.Count > 2) { x = Vector256.Create(a0[row2]); c20 = Vector256.FusedMultiplyAdd(x, b0, c20); c21 = Vector256.FusedMultiplyAdd(x, b1, c21); }
                if (TRows.Count > 3) { x = Vector256.Create(a3[0]); c30 = Vector256.FusedMultiplyAdd(x, b0, c30); c31 = Vector256.FusedMultiplyAdd(x, b1, c31); }
                if (TRows.Count > 4) { x = Vector256.Create(a3[aRow]); c40 = Vector256.FusedMultiplyAdd(x, b0, c40); c41 = Vector256.FusedMultiplyAdd(x, b1, c41); }
                if (TRows.Count > 5) { x = Vector256.Create(a3[row2]); c50 = Vector256.FusedMultiplyAdd(x, b0, c50); c51 = Vector256.FusedMultiplyAdd(x, b1, c51); }
            }
        }
        if (d is null) dRow = 0;
        Store(c, c00, c01, alpha, d);
        if (TRows.Count > 1) Store(c + cRow, c10, c11, alpha, d + dRow);
        if (TRows.Count > 2) Store(c + 2 * cRow, c20, c21, alpha, d + 2 * dRow);
        if (TRows.Count > 3) Store(c + 3 * cRow, c30, c31, alpha, d + 3 * dRow);
        if (TRows.Count > 4) Store(c + 4 * cRow, c40, c41, alpha, d + 4 * dRow);
        if (TRows.Count > 5) Store(c + 5 * cRow, c50, c51, alpha, d + 5 * dRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector256<float> left, Vector256<float> right, float alpha, float* d)
    {
        (left, right) = (left * alpha, right * alpha);
        if (d is not null) (left, right) = (left + Vector256.Load(d), right + Vector256.Load(d + 8));
        left.Store(c);
        right.Store(c + 8);
    }
}
