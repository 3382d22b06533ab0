using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>12 x 32: 24 sums, 2 vectors of B and 1 element of A in AVX-512's 32 registers.</summary>
internal readonly unsafe struct Tile512 : ITile
{
    public static int Rows => 12;
    public static int Columns => 32;

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TRows, TWidth, T>(in PanelProduct product, nint row)
        where TRows : IRowCount where TWidth : IWidth where T : IElement
    {
        // Called before the sums are in registers: a call later would spill them to memory for the whole loop.
        var (next, nextStep) = product.PrefetchOf(row, TRows.Count);
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default, c50 = default, c51 = default, c60 = default, c61 = default, c70 = default, c71 = default;
        Vector512<float> c80 = default, c81 = default, c90 = default, c91 = default, ca0 = default, ca1 = default, cb0 = default, cb1 = default;

        // Three pointers and three strides reach all rows.
        float* a0 = product.A.Data + row * product.A.RowStride, a4 = a0 + 4 * product.A.RowStride, a8 = a4 + 4 * product.A.RowStride;
        nint row1 = product.A.RowStride, row2 = 2 * row1, row3 = 3 * row1, step = product.A.ColumnStride;
        byte* b = product.B;
        nint size = 32 * T.Bits / 8; // of a row
        if (T.BlockRows == 0)
        {
            var end = b + size * product.A.Depth;
            for (var pairs = step == 1 ? end - size : b; b < pairs; b += 2 * size, a0 += 2, a4 += 2, a8 += 2, next += 2 * nextStep)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch1((void*)next);
                    Sse.Prefetch1((void*)(next + nextStep));
                }
                Add<TRows, TWidth>(T.Load16(b, 0, 32), TWidth.IsWhole ? T.Load16(b, 16, 32) : default, a0, a4, a8, row1, row2, row3,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51,
                    ref c60, ref c61, ref c70, ref c71, ref c80, ref c81, ref c90, ref c91, ref ca0, ref ca1, ref cb0, ref cb1);
                Add<TRows, TWidth>(T.Load16(b + size, 0, 32), TWidth.IsWhole ? T.Load16(b + size, 16, 32) : default, a0 + 1, a4 + 1, a8 + 1,
                    row1, row2, row3,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51,
                    ref c60, ref c61, ref c70, ref c71, ref c80, ref c81, ref c90, ref c91, ref ca0, ref ca1, ref cb0, ref cb1);
            }
            for (; b < end; b += size, a0 += step, a4 += step, a8 += step, next += nextStep)
            {
                if (Sse.IsSupported) Sse.Prefetch1((void*)next);
                Add<TRows, TWidth>(T.Load16(b, 0, 32), TWidth.IsWhole ? T.Load16(b, 16, 32) : default, a0, a4, a8, row1, row2, row3,
                    ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51,
                    ref c60, ref c61, ref c70, ref c71, ref c80, ref c81, ref c90, ref c91, ref ca0, ref ca1, ref cb0, ref cb1);
            }
        }
        else
        {
            for (nint left = product.A.Depth; left > 0; left -= T.BlockRows)
            {
                var block = (float*)b;
                Vector512<float> m0 = T.Addend16(block, 0, 32), m1 = T.Addend16(block, 16, 32);
                b += 32 * sizeof(float) * T.BlockFloats;
                for (var end = b + size * nint.Min(left, T.BlockRows); b < end; b += size, a0 += step, a4 += step, a8 += step, next += nextStep)
                {
                    if (Sse.IsSupported) Sse.Prefetch1((void*)next);
                    Add<TRows, TWidth>(T.Scale16(T.Load16(b, 0, 32), block, m0, 0, 32),
                        TWidth.IsWhole ? T.Scale16(T.Load16(b, 16, 32), block, m1, 16, 32) : default,
                        a0, a4, a8, row1, row2, row3,
                        ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51,
                        ref c60, ref c61, ref c70, ref c71, ref c80, ref c81, ref c90, ref c91, ref ca0, ref ca1, ref cb0, ref cb1);
                }
            }
        }
        if (T.IsScaled)
        {
            Vector512<float> s0 = Vector512.Load(product.Scales), s1 = Vector512.Load(product.Scales + 16);
            (c00, c10, c20, c30, c40, c50) = (c00 * s0, c10 * s0, c20 * s0, c30 * s0, c40 * s0, c50 * s0);
            (c60, c70, c80, c90, ca0, cb0) = (c60 * s0, c70 * s0, c80 * s0, c90 * s0, ca0 * s0, cb0 * s0);
            (c01, c11, c21, c31, c41, c51) = (c01 * s1, c11 * s1, c21 * s1, c31 * s1, c41 * s1, c51 * s1);
            (c61, c71, c81, c91, ca1, cb1) = (c61 * s1, c71 * s1, c81 * s1, c91 * s1, ca1 * s1, cb1 * s1);
        }
        a0 = product.A2.Data + row * product.A2.RowStride;
        a4 = a0 + 4 * product.A2.RowStride;
        a8 = a4 + 4 * product.A2.RowStride;
        (row1, row2, row3, step) = (product.A2.RowStride, 2 * product.A2.RowStride, 3 * product.A2.RowStride, product.A2.ColumnStride);
        var b2 = product.B2;
        for (var end = b2 + 32 * (nint)product.A2.Depth; b2 < end; b2 += 32, a0 += step, a4 += step, a8 += step)
        {
            Add<TRows, TWidth>(Vector512.Load(b2), TWidth.IsWhole ? Vector512.Load(b2 + 16) : default, a0, a4, a8, row1, row2, row3,
                ref c00, ref c01, ref c10, ref c11, ref c20, ref c21, ref c30, ref c31, ref c40, ref c41, ref c50, ref c51,
                ref c60, ref c61, ref c70, ref c71, ref c80, ref c81, ref c90, ref c91, ref ca0, ref ca1, ref cb0, ref cb1);
        }

        float* c = product.C + row * product.CRow, d = product.D + row * product.DRow;
        Store<TWidth>(product, c, d, c00, c01);
        if (TRows.Count > 1) Store<TWidth>(product, c + product.CRow, d + product.DRow, c10, c11);
        if (TRows.Count > 2) Store<TWidth>(product, c + 2 * product.CRow, d + 2 * product.DRow, c20, c21);
        if (TRows.Count > 3) Store<TWidth>(product, c + 3 * product.CRow, d + 3 * product.DRow, c30, c31);
        if (TRows.Count > 4) Store<TWidth>(product, c + 4 * product.CRow, d + 4 * product.DRow, c40, c41);
        if (TRows.Count > 5) Store<TWidth>(product, c + 5 * product.CRow, d + 5 * product.DRow, c50, c51);
        if (TRows.Count > 6) Store<TWidth>(product, c + 6 * product.CRow, d + 6 * product.DRow, c60, c61);
        if (TRows.Count > 7) Store<TWidth>(product, c + 7 * product.CRow, d + 7 * product.DRow, c70, c71);
        if (TRows.Count > 8) Store<TWidth>(product, c + 8 * product.CRow, d + 8 * product.DRow, c80, c81);
        if (TRows.Count > 9) Store<TWidth>(product, c + 9 * product.CRow, d + 9 * product.DRow, c90, c91);
        if (TRows.Count > 10) Store<TWidth>(product, c + 10 * product.CRow, d + 10 * product.DRow, ca0, ca1);
        if (TRows.Count > 11) Store<TWidth>(product, c + 11 * product.CRow, d + 11 * product.DRow, cb0, cb1);
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyRow<T>(in PanelProduct product) where T : IElement
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default;
        var a = product.A.Data;
        var b = product.B;
        nint size = 32 * T.Bits / 8, step = product.A.ColumnStride, panel = product.PanelBytes, depth = product.A.Depth;
        for (nint left = depth, rows = T.BlockRows == 0 ? depth : T.BlockRows; left > 0; left -= rows)
        {
            float* block = (float*)b, other = (float*)(b + panel);
            Vector512<float> m00 = T.Addend16(block, 0, 32), m01 = T.Addend16(block, 16, 32);
            Vector512<float> m10 = T.Addend16(other, 0, 32), m11 = T.Addend16(other, 16, 32);
            b += 32 * sizeof(float) * T.BlockFloats;
            for (var end = b + size * nint.Min(left, rows); b < end; b += size, a += step)
            {
                Sse.Prefetch0(b + PanelProduct.Ahead);
                Sse.Prefetch0(b + panel + PanelProduct.Ahead);
                var x = Vector512.Create(a[0]);
                AddPanel<T>(x, b, block, m00, m01, ref c00, ref c01);
                AddPanel<T>(x, b + panel, other, m10, m11, ref c10, ref c11);
            }
        }
        if (T.IsScaled)
        {
            var scales = product.Scales;
            (c00, c01) = (c00 * Vector512.Load(scales), c01 * Vector512.Load(scales + 16));
            (c10, c11) = (c10 * Vector512.Load(scales + 32), c11 * Vector512.Load(scales + 48));
        }
        a = product.A2.Data;
        b = (byte*)product.B2;
        (size, step, panel) = (32 * sizeof(float), product.A2.ColumnStride, 32 * sizeof(float) * (nint)product.A2.Depth);
        for (var end = b + panel; b < end; b += size, a += step)
        {
            var x = Vector512.Create(a[0]);
            AddPanel<Float32>(x, b, null, default, default, ref c00, ref c01);
            AddPanel<Float32>(x, b + panel, null, default, default, ref c10, ref c11);
        }
        Store<WholeWidth>(product, product.C, product.D, c00, c01);
        Store<WholeWidth>(product, product.C + 32, product.D + 32, c10, c11);
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyDigits(in PanelProduct product, nint row)
    {
        const int Groups = 4, Bytes = 128; // eight rows k in each
        var (next, nextStep) = product.PrefetchOf(row, 1);
        var low = Vector512.Create((byte)0xF);
        var flip = product.HasMinima ? default : Vector512.Create((byte)0x88); // q from -8 to 7 becomes q + 8
        Vector512<float> c0 = default, c1 = default;
        byte* b = product.B, x = product.Digits + row * product.DigitsRow;
        for (nint left = product.A.Depth; left > 0; left -= Digits.BlockLength, x += Digits.BlockBytes)
        {
            var block = (float*)b;
            b += 32 * sizeof(float) * (product.HasMinima ? 2 : 1);
            Vector512<short> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default;
            var digits = x;
            for (var end = b + Groups * Bytes; b < end; b += Bytes, digits += 2 * Digits.FourBytes)
            {
                if (Sse.IsSupported)
                {
                    Sse.Prefetch1((void*)next);
                    Sse.Prefetch1((void*)(next + 4 * nextStep));
                    next += 8 * nextStep;
                }
                Vector512<byte> q0 = Vector512.Load(b) ^ flip, q1 = Vector512.Load(b + Bytes / 2) ^ flip;
                AddDigits(q0 & low, q1 & low, digits, ref s00, ref s01, ref s10, ref s11, ref s20, ref s21);
                AddDigits((q0.AsUInt16() >>> 4).AsByte() & low, (q1.AsUInt16() >>> 4).AsByte() & low, digits + Digits.FourBytes,
                    ref s00, ref s01, ref s10, ref s11, ref s20, ref s21);
            }
            Vector512<float> scale0 = Vector512.Load(block), scale1 = Vector512.Load(block + 16);
            Vector512<float> unit = Vector512.Create(Digits.UnitOf(x)), sum = Vector512.Create(Digits.SumOf(x));
            c0 = Vector512.FusedMultiplyAdd(Digits.Value(s20, s10, s00), scale0 * unit, c0);
            c1 = Vector512.FusedMultiplyAdd(Digits.Value(s21, s11, s01), scale1 * unit, c1);
            var (m0, m1) = product.HasMinima ? (Vector512.Load(block + 32), Vector512.Load(block + 48))
                : (scale0 * -Digits.Middle, scale1 * -Digits.Middle);
            c0 = Vector512.FusedMultiplyAdd(m0, sum, c0);
            c1 = Vector512.FusedMultiplyAdd(m1, sum, c1);
        }
        float* a = product.A2.Data + row * product.A2.RowStride, b2 = product.B2;
        for (var end = b2 + 32 * (nint)product.A2.Depth; b2 < end; b2 += 32, a += product.A2.ColumnStride)
            AddPanel<Float32>(Vector512.Create(a[0]), (byte*)b2, null, default, default, ref c0, ref c1);
        Store<WholeWidth>(product, product.C + row * product.CRow, product.D + row * product.DRow, c0, c1);
    }

    /// <summary>Adds four rows k to the sums of each digit of x, of the left and the right half of a panel.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddDigits(Vector512<byte> left, Vector512<byte> right, byte* digits, ref Vector512<short> s00, ref Vector512<short> s01,
        ref Vector512<short> s10, ref Vector512<short> s11, ref Vector512<short> s20, ref Vector512<short> s21)
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
    private static void AddPanel<T>(Vector512<float> x, byte* b, float* block, Vector512<float> m0, Vector512<float> m1, ref Vector512<float> left,
        ref Vector512<float> right) where T : IElement
    {
        left = Vector512.FusedMultiplyAdd(x, T.Scale16(T.Load16(b, 0, 32), block, m0, 0, 32), left);
        right = Vector512.FusedMultiplyAdd(x, T.Scale16(T.Load16(b, 16, 32), block, m1, 16, 32), right);
    }

    /// <summary>Adds one step k of the sums, c[i] += a[i] b.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<TRows, TWidth>(Vector512<float> b0, Vector512<float> b1, float* a0, float* a4, float* a8, nint row1, nint row2, nint row3,
        ref Vector512<float> c00, ref Vector512<float> c01, ref Vector512<float> c10, ref Vector512<float> c11,
        ref Vector512<float> c20, ref Vector512<float> c21, ref Vector512<float> c30, ref Vector512<float> c31,
        ref Vector512<float> c40, ref Vector512<float> c41, ref Vector512<float> c50, ref Vector512<float> c51,
        ref Vector512<float> c60, ref Vector512<float> c61, ref Vector512<float> c70, ref Vector512<float> c71,
        ref Vector512<float> c80, ref Vector512<float> c81, ref Vector512<float> c90, ref Vector512<float> c91,
        ref Vector512<float> ca0, ref Vector512<float> ca1, ref Vector512<float> cb0, ref Vector512<float> cb1)
        where TRows : IRowCount where TWidth : IWidth
    {
        var x = Vector512.Create(a0[0]);
        c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
        if (TWidth.IsWhole) c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
        if (TRows.Count > 1)
        {
            x = Vector512.Create(a0[row1]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            if (TWidth.IsWhole) c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
        }
        if (TRows.Count > 2)
        {
            x = Vector512.Create(a0[row2]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            if (TWidth.IsWhole) c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
        }
        if (TRows.Count > 3)
        {
            x = Vector512.Create(a0[row3]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            if (TWidth.IsWhole) c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
        }
        if (TRows.Count > 4)
        {
            x = Vector512.Create(a4[0]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            if (TWidth.IsWhole) c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
        }
        if (TRows.Count > 5)
        {
            x = Vector512.Create(a4[row1]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            if (TWidth.IsWhole) c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
        }
        if (TRows.Count > 6)
        {
            x = Vector512.Create(a4[row2]);
            c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
            if (TWidth.IsWhole) c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
        }
        if (TRows.Count > 7)
        {
            x = Vector512.Create(a4[row3]);
            c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
            if (TWidth.IsWhole) c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
        }
        if (TRows.Count > 8)
        {
            x = Vector512.Create(a8[0]);
            c80 = Vector512.FusedMultiplyAdd(x, b0, c80);
            if (TWidth.IsWhole) c81 = Vector512.FusedMultiplyAdd(x, b1, c81);
        }
        if (TRows.Count > 9)
        {
            x = Vector512.Create(a8[row1]);
            c90 = Vector512.FusedMultiplyAdd(x, b0, c90);
            if (TWidth.IsWhole) c91 = Vector512.FusedMultiplyAdd(x, b1, c91);
        }
        if (TRows.Count > 10)
        {
            x = Vector512.Create(a8[row2]);
            ca0 = Vector512.FusedMultiplyAdd(x, b0, ca0);
            if (TWidth.IsWhole) ca1 = Vector512.FusedMultiplyAdd(x, b1, ca1);
        }
        if (TRows.Count > 11)
        {
            x = Vector512.Create(a8[row3]);
            cb0 = Vector512.FusedMultiplyAdd(x, b0, cb0);
            if (TWidth.IsWhole) cb1 = Vector512.FusedMultiplyAdd(x, b1, cb1);
        }
    }

    /// <summary>Stores one row, C = D + alpha times the sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TWidth>(in PanelProduct product, float* c, float* d, Vector512<float> left, Vector512<float> right)
        where TWidth : IWidth
    {
        left *= product.Alpha;
        if (product.D is not null) left += Vector512.Load(d);
        left.Store(c);
        if (!TWidth.IsWhole) return;
        right *= product.Alpha;
        if (product.D is not null) right += Vector512.Load(d + 16);
        right.Store(c + 16);
    }
}
