using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>12 x 32: 24 sums, 2 of B and 1 of A in AVX-512's 32 registers.</summary>
internal readonly unsafe struct Tile512 : ITile
{
    public static int Rows => 12;
    public static int Columns => 32;

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TRows>(LeftFactor* left, int count, nint row, float* b, float* c, nint cRow, float alpha, float* d, nint dRow) where TRows : IRowCount
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default, c50 = default, c51 = default, c60 = default, c61 = default, c70 = default, c71 = default;
        Vector512<float> c80 = default, c81 = default, c90 = default, c91 = default, ca0 = default, ca1 = default, cb0 = default, cb1 = default;
        for (var last = left + count; left < last; left++)
        {
            float* a0 = left->A + row * left->Row, a4 = a0 + 4 * left->Row, a8 = a4 + 4 * left->Row; // three pointers and three strides reach all rows
            nint aRow = left->Row, row2 = 2 * aRow, row3 = 3 * aRow, step = left->Step;
            for (var end = b + 32 * (nint)left->Depth; b < end; b += 32, a0 += step, a4 += step, a8 += step)
            {
                Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), x = Vector512.Create(a0[0]);
                c00 = Vector512.FusedMultiplyAdd(x, b0, c00); c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
                if (TRows.Count > 1) { x = Vector512.Create(a0[aRow]); c10 = Vector512.FusedMultiplyAdd(x, b0, c10); c11 = Vector512.FusedMultiplyAdd(x, b1, c11); }
                if (TRows.Count > 2) { x = Vector512.Create(a0[row2]); c20 = Vector512.FusedMultiplyAdd(x, b0, c20); c21 = Vector512.FusedMultiplyAdd(x, b1, c21); }
                if (TRows.Count > 3) { x = Vector512.Create(a0[row3]); c30 = Vector512.FusedMultiplyAdd(x, b0, c30); c31 = Vector512.FusedMultiplyAdd(x, b1, c31); }
                if (TRows.Count > 4) { x = Vector512.Create(a4[0]); c40 = Vector512.FusedMultiplyAdd(x, b0, c40); c41 = Vector512.FusedMultiplyAdd(x, b1, c41); }
                if (TRows.Count > 5) { x = Vector512.Create(a4[aRow]); c50 = Vector512.FusedMultiplyAdd(x, b0, c50); c51 = Vector512.FusedMultiplyAdd(x, b1, c51); }
                if (TRows.Count > 6) { x = Vector512.Create(a4[row2]); c60 = Vector512.FusedMultiplyAdd(x, b0, c60); c61 = Vector512.FusedMultiplyAdd(x, b1, c61); }
                if (TRows.Count > 7) { x = Vector512.Create(a4[row3]); c70 = Vector512.FusedMultiplyAdd(x, b0, c70); c71 = Vector512.FusedMultiplyAdd(x, b1, c71); }
                if (TRows.Count > 8) { x = Vector512.Create(a8[0]); c80 = Vector512.FusedMultiplyAdd(x, b0, c80); c81 = Vector512.FusedMultiplyAdd(x, b1, c81); }
                if (TRows.Count > 9) { x = Vector512.Create(a8[aRow]); c90 = Vector512.FusedMultiplyAdd(x, b0, c90); c91 = Vector512.FusedMultiplyAdd(x, b1, c91); }
                if (TRows.Count > 10) { x = Vector512.Create(a8[row2]); ca0 = Vector512.FusedMultiplyAdd(x, b0, ca0); ca1 = Vector512.FusedMultiplyAdd(x, b1, ca1); }
                if (TRows.Count > 11) { x = Vector512.Create(a8[row3]); cb0 = Vector512.FusedMultiplyAdd(x, b0, cb0); cb1 = Vector512.FusedMultiplyAdd(x, b1, cb1); }
            }
        }
        if (d is null) dRow = 0;
        Store(c, c00, c01, alpha, d);
        if (TRows.Count > 1) Store(c + cRow, c10, c11, alpha, d + dRow);
        if (TRows.Count > 2) Store(c + 2 * cRow, c20, c21, alpha, d + 2 * dRow);
        if (TRows.Count > 3) Store(c + 3 * cRow, c30, c31, alpha, d + 3 * dRow);
        if (TRows.Count > 4) Store(c + 4 * cRow, c40, c41, alpha, d + 4 * dRow);
        if (TRows.Count > 5) Store(c + 5 * cRow, c50, c51, alpha, d + 5 * dRow);
        if (TRows.Count > 6) Store(c + 6 * cRow, c60, c61, alpha, d + 6 * dRow);
        if (TRows.Count > 7) Store(c + 7 * cRow, c70, c71, alpha, d + 7 * dRow);
        if (TRows.Count > 8) Store(c + 8 * cRow, c80, c81, alpha, d + 8 * dRow);
        if (TRows.Count > 9) Store(c + 9 * cRow, c90, c91, alpha, d + 9 * dRow);
        if (TRows.Count > 10) Store(c + 10 * cRow, ca0, ca1, alpha, d + 10 * dRow);
        if (TRows.Count > 11) Store(c + 11 * cRow, cb0, cb1, alpha, d + 11 * dRow);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* c, Vector512<float> left, Vector512<float> right, float alpha, float* d)
    {
        (left, right) = (left * alpha, right * alpha);
        if (d is not null) (left, right) = (left + Vector512.Load(d), right + Vector512.Load(d + 16));
        left.Store(c);
        right.Store(c + 16);
    }
}
