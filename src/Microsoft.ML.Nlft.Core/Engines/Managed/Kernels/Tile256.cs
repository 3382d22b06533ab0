using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>6 x 16: 12 sums, 2 vectors of B and 1 element of A in AVX2's 16 registers. On Arm64, each vector is two 128-bit registers.</summary>
internal readonly unsafe struct Tile256 : ITile
{
    public static int Rows => 6;
    public static int Columns => 16;

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TRows, TWidth, T>(in PanelProduct product, nint row)
        where TRows : IRowCount where TWidth : IWidth where T : IElement
    {
        // Called before the sums are in registers: a call later would spill them to memory for the whole loop.
        var (next, nextStep) = product.PrefetchOf(row, TRows.Count);
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;

        // Two pointers and two strides reach all rows.
        float* a0 = product.A.Data + row * product.A.RowStride, a3 = a0 + 3 * product.A.RowStride;
        nint row1 = product.A.RowStride, row2 = 2 * row1, step = product.A.ColumnStride;
        byte* b = product.B;
        nint size = 16 * T.Bits / 8; // of a row
        if (T.BlockRows == 0)
        {
            var end = b + size * product.A.Depth;
            for (var pairs = step == 1 ? end - size : b; b < pairs; b += 2 * size, a0 += 2, a3 += 2, next += 2 * nextStep)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch1((void*)next);
                    Sse.Prefetch1((void*)(next + nextStep));
                }
                Add<TRows, TWidth>(T.Load8(b, 0, 16), TWidth.IsWhole ? T.Load8(b, 8, 16) : default, a0, a3, row1, row2,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
                Add<TRows, TWidth>(T.Load8(b + size, 0, 16), TWidth.IsWhole ? T.Load8(b + size, 8, 16) : default, a0 + 1, a3 + 1, row1, row2,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
            }
            for (; b < end; b += size, a0 += step, a3 += step, next += nextStep)
            {
                if (Sse.IsSupported) Sse.Prefetch1((void*)next);
                Add<TRows, TWidth>(T.Load8(b, 0, 16), TWidth.IsWhole ? T.Load8(b, 8, 16) : default, a0, a3, row1, row2,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
            }
        }
        else
        {
            for (nint left = product.A.Depth; left > 0; left -= T.BlockRows)
            {
                var block = (float*)b;
                Vector256<float> m0 = T.Addend8(block, 0, 16), m1 = T.Addend8(block, 8, 16);
                b += 16 * sizeof(float) * T.BlockFloats;
                for (var end = b + size * nint.Min(left, T.BlockRows); b < end; b += size, a0 += step, a3 += step, next += nextStep)
                {
                    if (Sse.IsSupported) Sse.Prefetch1((void*)next);
                    Add<TRows, TWidth>(T.Scale8(T.Load8(b, 0, 16), block, m0, 0, 16),
                        TWidth.IsWhole ? T.Scale8(T.Load8(b, 8, 16), block, m1, 8, 16) : default,
                        a0, a3, row1, row2,
                        ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
                }
            }
        }
        if (T.IsScaled)
        {
            Vector256<float> s0 = Vector256.Load(product.Scales), s1 = Vector256.Load(product.Scales + 8);
            (c00, c10, c20, c30, c40, c50) = (c00 * s0, c10 * s0, c20 * s0, c30 * s0, c40 * s0, c50 * s0);
            (c01, c11, c21, c31, c41, c51) = (c01 * s1, c11 * s1, c21 * s1, c31 * s1, c41 * s1, c51 * s1);
        }
        a0 = product.A2.Data + row * product.A2.RowStride;
        a3 = a0 + 3 * product.A2.RowStride;
        (row1, row2, step) = (product.A2.RowStride, 2 * product.A2.RowStride, product.A2.ColumnStride);
        var b2 = product.B2;
        for (var end = b2 + 16 * (nint)product.A2.Depth; b2 < end; b2 += 16, a0 += step, a3 += step)
        {
            Add<TRows, TWidth>(Vector256.Load(b2), TWidth.IsWhole ? Vector256.Load(b2 + 8) : default, a0, a3, row1, row2,
                ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51);
        }

        float* c = product.C + row * product.CRow, d = product.D + row * product.DRow;
        Store<TWidth>(product, c, d, c00, c01);
        if (TRows.Count > 1) Store<TWidth>(product, c + product.CRow, d + product.DRow, c10, c11);
        if (TRows.Count > 2) Store<TWidth>(product, c + 2 * product.CRow, d + 2 * product.DRow, c20, c21);
        if (TRows.Count > 3) Store<TWidth>(product, c + 3 * product.CRow, d + 3 * product.DRow, c30, c31);
        if (TRows.Count > 4) Store<TWidth>(product, c + 4 * product.CRow, d + 4 * product.DRow, c40, c41);
        if (TRows.Count > 5) Store<TWidth>(product, c + 5 * product.CRow, d + 5 * product.DRow, c50, c51);
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRow<T>(in PanelProduct product) where T : IElement
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default;
        var a = product.A.Data;
        var b = product.B;
        nint size = 16 * T.Bits / 8, step = product.A.ColumnStride, panel = product.PanelBytes, depth = product.A.Depth;
        for (nint left = depth, rows = T.BlockRows == 0 ? depth : T.BlockRows; left > 0; left -= rows)
        {
            float* block = (float*)b, other = (float*)(b + panel);
            Vector256<float> m00 = T.Addend8(block, 0, 16), m01 = T.Addend8(block, 8, 16);
            Vector256<float> m10 = T.Addend8(other, 0, 16), m11 = T.Addend8(other, 8, 16);
            b += 16 * sizeof(float) * T.BlockFloats;
            for (var end = b + size * nint.Min(left, rows); b < end; b += size, a += step)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch0(b + PanelProduct.Ahead);
                    Sse.Prefetch0(b + panel + PanelProduct.Ahead);
                }
                var x = Vector256.Create(a[0]);
                AddPanel<T>(x, b, block, m00, m01, ref c00, ref c01);
                AddPanel<T>(x, b + panel, other, m10, m11, ref c10, ref c11);
            }
        }
        if (T.IsScaled)
        {
            var scales = product.Scales;
            (c00, c01) = (c00 * Vector256.Load(scales), c01 * Vector256.Load(scales + 8));
            (c10, c11) = (c10 * Vector256.Load(scales + 16), c11 * Vector256.Load(scales + 24));
        }
        a = product.A2.Data;
        b = (byte*)product.B2;
        (size, step, panel) = (16 * sizeof(float), product.A2.ColumnStride, 16 * sizeof(float) * (nint)product.A2.Depth);
        for (var end = b + panel; b < end; b += size, a += step)
        {
            var x = Vector256.Create(a[0]);
            AddPanel<Float32>(x, b, null, default, default, ref c00, ref c01);
            AddPanel<Float32>(x, b + panel, null, default, default, ref c10, ref c11);
        }
        Store<WholeWidth>(product, product.C, product.D, c00, c01);
        Store<WholeWidth>(product, product.C + 16, product.D + 16, c10, c11);
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyDigits(in PanelProduct product, nint row)
    {
        const int Groups = 4, Bytes = 64; // eight rows k in each
        var (next, nextStep) = product.PrefetchOf(row, 1);
        var low = Vector256.Create((byte)0xF);
        var flip = product.HasMinima ? default : Vector256.Create((byte)0x88); // q from -8 to 7 becomes q + 8
        Vector256<float> c0 = default, c1 = default;
        byte* b = product.B, x = product.Digits + row * product.DigitsRow;
        for (nint left = product.A.Depth; left > 0; left -= Digits.BlockLength, x += Digits.BlockBytes)
        {
            var block = (float*)b;
            b += 16 * sizeof(float) * (product.HasMinima ? 2 : 1);
            Vector256<short> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
            var digits = x;
            for (var end = b + Groups * Bytes; b < end; b += Bytes, digits += 2 * Digits.FourBytes)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch1((void*)next);
                    Sse.Prefetch1((void*)(next + 4 * nextStep));
                    next += 8 * nextStep;
                }
                Vector256<byte> q0 = Vector256.Load(b) ^ flip, q1 = Vector256.Load(b + Bytes / 2) ^ flip;
                AddDigits(q0 & low, q1 & low, digits, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21);
                AddDigits((q0.AsUInt16() >>> 4).AsByte() & low, (q1.AsUInt16() >>> 4).AsByte() & low, digits + Digits.FourBytes,
                    ref s00, ref s01, ref s10, ref s11, ref s20, ref s21);
            }
            Vector256<float> scale0 = Vector256.Load(block), scale1 = Vector256.Load(block + 8);
            Vector256<float> unit = Vector256.Create(Digits.UnitOf(x)), sum = Vector256.Create(Digits.SumOf(x));
            c0 = Vector256.FusedMultiplyAdd(Digits.Value(s20, s10, s00), scale0 * unit, c0);
            c1 = Vector256.FusedMultiplyAdd(Digits.Value(s21, s11, s01), scale1 * unit, c1);
            var (m0, m1) = product.HasMinima ? (Vector256.Load(block + 16), Vector256.Load(block + 24))
                : (scale0 * -Digits.Middle, scale1 * -Digits.Middle);
            c0 = Vector256.FusedMultiplyAdd(m0, sum, c0);
            c1 = Vector256.FusedMultiplyAdd(m1, sum, c1);
        }
        float* a = product.A2.Data + row * product.A2.RowStride, b2 = product.B2;
        for (var end = b2 + 16 * (nint)product.A2.Depth; b2 < end; b2 += 16, a += product.A2.ColumnStride)
            AddPanel<Float32>(Vector256.Create(a[0]), (byte*)b2, null, default, default, ref c0, ref c1);
        Store<WholeWidth>(product, product.C + row * product.CRow, product.D + row * product.DRow, c0, c1);
    }

    /// <summary>Adds four rows k to the sums of each digit of x, of the left and the right half of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddDigits(Vector256<byte> left, Vector256<byte> right, byte* digits, ref Vector256<short> s00, ref Vector256<short> s01,
        ref Vector256<short> s10, ref Vector256<short> s11, ref Vector256<short> s20, ref Vector256<short> s21)
    {
        s00 += Digits.Multiply(left, digits);
        s01 += Digits.Multiply(right, digits);
        s10 += Digits.Multiply(left, digits + Digits.Place);
        s11 += Digits.Multiply(right, digits + Digits.Place);
        s20 += Digits.Multiply(left, digits + 2 * Digits.Place);
        s21 += Digits.Multiply(right, digits + 2 * Digits.Place);
    }

    /// <summary>Adds one step k of the sums of one panel, c += x b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPanel<T>(Vector256<float> x, byte* b, float* block, Vector256<float> m0, Vector256<float> m1, ref Vector256<float> left,
        ref Vector256<float> right) where T : IElement
    {
        left = Vector256.FusedMultiplyAdd(x, T.Scale8(T.Load8(b, 0, 16), block, m0, 0, 16), left);
        right = Vector256.FusedMultiplyAdd(x, T.Scale8(T.Load8(b, 8, 16), block, m1, 8, 16), right);
    }

    /// <summary>Adds one step k of the sums, c[i] += a[i] b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TRows, TWidth>(Vector256<float> b0, Vector256<float> b1, float* a0, float* a3, nint row1, nint row2,
        ref Vector256<float> c00, ref Vector256<float> c01, ref Vector256<float> c10, ref Vector256<float> c11,
        ref Vector256<float> c20, ref Vector256<float> c21, ref Vector256<float> c30, ref Vector256<float> c31,
        ref Vector256<float> c40, ref Vector256<float> c41, ref Vector256<float> c50, ref Vector256<float> c51)
        where TRows : IRowCount where TWidth : IWidth
    {
        var x = Vector256.Create(a0[0]);
        c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
        if (TWidth.IsWhole) c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
        if (TRows.Count > 1)
        {
            x = Vector256.Create(a0[row1]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            if (TWidth.IsWhole) c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
        }
        if (TRows.Count > 2)
        {
            x = Vector256.Create(a0[row2]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            if (TWidth.IsWhole) c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
        }
        if (TRows.Count > 3)
        {
            x = Vector256.Create(a3[0]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            if (TWidth.IsWhole) c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
        }
        if (TRows.Count > 4)
        {
            x = Vector256.Create(a3[row1]);
            c40 = Vector256.FusedMultiplyAdd(x, b0, c40);
            if (TWidth.IsWhole) c41 = Vector256.FusedMultiplyAdd(x, b1, c41);
        }
        if (TRows.Count > 5)
        {
            x = Vector256.Create(a3[row2]);
            c50 = Vector256.FusedMultiplyAdd(x, b0, c50);
            if (TWidth.IsWhole) c51 = Vector256.FusedMultiplyAdd(x, b1, c51);
        }
    }

    /// <summary>Stores one row, C = D + alpha times the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TWidth>(in PanelProduct product, float* c, float* d, Vector256<float> left, Vector256<float> right)
        where TWidth : IWidth
    {
        left *= product.Alpha;
        if (product.D is not null) left += Vector256.Load(d);
        left.Store(c);
        if (!TWidth.IsWhole) return;
        right *= product.Alpha;
        if (product.D is not null) right += Vector256.Load(d + 8);
        right.Store(c + 8);
    }
}
