using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Y = D + X W^T for a few rows of X, as in decoding: W is read once, row by row as it is stored, and meets every row of X while it is in the
/// caches. An element is summed in eight lanes over k and then across the lanes, whatever the number of rows, so a sequence gets the same bits
/// alone or in a batch.
/// </summary>
internal static unsafe class FewRowsProduct
{
    /// <summary>From more rows than this the packed product is faster.</summary>
    public const int MostRows = 16;

    private const int Outputs = 8, OutputsPerTask = 32;
    private const long SequentialBelow = 1L << 15; // multiply-adds

    /// <summary>Most products of one call.</summary>
    public const int MostProducts = 3;

    /// <summary>Y[M x N] = D + X[M x K] W^T + the second term for each of a few products of as many rows, shared out together.</summary>
    public static void Multiply(Workers workers, params ReadOnlySpan<RowProduct> products)
    {
        var (buffer, tasks, work) = (new ProductBuffer(), 0, 0L);
        for (var i = 0; i < products.Length; i++)
        {
            buffer[i] = products[i];
            tasks += Tasks(products[i]);
            work += (long)products[i].Y.Rows * products[i].Y.Columns * products[i].Term.A.Columns;
        }
        if (workers.Threads == 1 || work < SequentialBelow)
            foreach (var product in products) Compute(workers, product, 0, product.Y.Columns);
        else
            workers.For(tasks, (workers, buffer), static (work, task) =>
            {
                var product = 0;
                for (; task >= Tasks(work.buffer[product]); product++) task -= Tasks(work.buffer[product]);
                Compute(work.workers, work.buffer[product], task * OutputsPerTask, Math.Min(work.buffer[product].Y.Columns, (task + 1) * OutputsPerTask));
            });
    }

    private static int Tasks(in RowProduct product) => (product.Y.Columns + OutputsPerTask - 1) / OutputsPerTask;

    private static void Compute(Workers workers, in RowProduct product, int start, int end)
    {
        Add(workers, product.Y, product.D, product.Term, start, end);
        if (product.Second is { } other) Add(workers, product.Y, product.Y, other, start, end);
    }

    private static void Add(Workers workers, Matrix y, Matrix? d, Term term, int start, int end)
    {
        switch (term.B.Type)
        {
            case TensorType.F32: Add<Float32>(workers, y, d, term, start, end); break;
            case TensorType.BF16: Add<BFloat16>(workers, y, d, term, start, end); break;
            case TensorType.F16: Add<Float16>(workers, y, d, term, start, end); break;
            case TensorType.I8: Add<Int8>(workers, y, d, term, start, end); break;
            default: throw new InvalidOperationException($"{term.B.Type} is no type of weights.");
        }
    }

    private static void Add<T>(Workers workers, Matrix y, Matrix? d, Term term, int start, int end) where T : IElement
    {
        var depth = term.A.Columns;
        var sums = stackalloc float[MostRows * Outputs];
        fixed (float* pinnedX = term.A.Array, pinnedW = term.B.Array, pinnedY = y.Data, pinnedD = d?.Data)
        {
            var left = term.A.Left(pinnedX, 0, 0, depth);
            for (var output = start; output < end; output += Outputs)
            {
                var outputs = Math.Min(Outputs, end - output);
                var (address, stride, scaleAddress) = term.B.Stored(output, pinnedW);
                var w = (byte*)address;
                var scales = (float*)scaleAddress;
                if (y.Rows == 1) OneRow<T>(left.A, w, stride, outputs, depth, sums);
                else SeveralRows<T>(left.A, left.Row, y.Rows, w, stride, outputs, depth, sums);
                for (var row = 0; row < y.Rows; row++)
                {
                    float* target = pinnedY + y.Index(row, output), addend = d is { } matrix ? pinnedD + matrix.Index(row, output) : null, sum = sums + row * Outputs;
                    for (var i = 0; i < outputs; i++)
                    {
                        if (T.IsScaled) sum[i] *= scales[i];
                        target[i] = addend is null ? sum[i] : addend[i] + sum[i];
                    }
                }
            }
        }
    }

    /// <summary>
    /// sums[i] = x w_i for up to eight outputs, as they are stored. Rows of narrow types are too short for the processor to foresee the next ones: these
    /// are asked for in advance.
    /// </summary>
    private static void OneRow<T>(float* x, byte* w, nint stride, int outputs, int depth, float* sums) where T : IElement
    {
        if (outputs < Outputs)
        {
            for (var i = 0; i < outputs; i++, w += stride)
            {
                Vector256<float> s = default;
                for (var at = 0; at + 8 <= depth; at += 8) s = Vector256.FusedMultiplyAdd(Vector256.Load(x + at), T.Load(w + at * T.Size), s);
                sums[i] = AddRest<T>(Sums(s, s, s, s).ToScalar(), x, w, depth);
            }
            return;
        }
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        byte* w0 = w, w3 = w + 3 * stride, w6 = w + 6 * stride, next = w + Outputs * stride;
        var stride2 = 2 * stride;
        var k = 0;
        for (; k + 8 <= depth; k += 8, w0 += 8 * T.Size, w3 += 8 * T.Size, w6 += 8 * T.Size, next += 64 * T.Size)
        {
            if (Sse.IsSupported && T.Size < 4)
            {
                Sse.Prefetch0(next);
                if (T.Size > 1) Sse.Prefetch0(next + 64);
            }
            var v = Vector256.Load(x + k);
            s0 = Vector256.FusedMultiplyAdd(v, T.Load(w0), s0); s1 = Vector256.FusedMultiplyAdd(v, T.Load(w0 + stride), s1); s2 = Vector256.FusedMultiplyAdd(v, T.Load(w0 + stride2), s2);
            s3 = Vector256.FusedMultiplyAdd(v, T.Load(w3), s3); s4 = Vector256.FusedMultiplyAdd(v, T.Load(w3 + stride), s4); s5 = Vector256.FusedMultiplyAdd(v, T.Load(w3 + stride2), s5);
            s6 = Vector256.FusedMultiplyAdd(v, T.Load(w6), s6); s7 = Vector256.FusedMultiplyAdd(v, T.Load(w6 + stride), s7);
        }
        Sums(s0, s1, s2, s3).Store(sums);
        Sums(s4, s5, s6, s7).Store(sums + 4);
        if (k < depth)
            for (var i = 0; i < Outputs; i++) sums[i] = AddRest<T>(sums[i], x, w + i * stride, depth);
    }

    /// <summary>sums[row * 8 + i] = x_row w_i: two outputs and up to six rows at a time.</summary>
    private static void SeveralRows<T>(float* x, nint xRow, int rows, byte* w, nint stride, int outputs, int depth, float* sums) where T : IElement
    {
        for (int row = 0, height; row < rows; row += height)
        {
            height = Tiles<Tile256>.Height(rows - row);
            var a = x + row * xRow; // in the first-level cache for all outputs
            for (var output = 0; output < outputs; output += 2)
            {
                byte* left = w + output * stride, right = output + 1 < outputs ? left + stride : left;
                var target = sums + row * Outputs + output;
                switch (height)
                {
                    case 1: Pair<T, Rows1>(a, xRow, left, right, depth, Outputs * stride, target); break;
                    case 2: Pair<T, Rows2>(a, xRow, left, right, depth, Outputs * stride, target); break;
                    case 3: Pair<T, Rows3>(a, xRow, left, right, depth, Outputs * stride, target); break;
                    case 4: Pair<T, Rows4>(a, xRow, left, right, depth, Outputs * stride, target); break;
                    case 5: Pair<T, Rows5>(a, xRow, left, right, depth, Outputs * stride, target); break;
                    case 6: Pair<T, Rows6>(a, xRow, left, right, depth, Outputs * stride, target); break;
                }
            }
        }
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pair<T, TRows>(float* x, nint xRow, byte* left, byte* right, int depth, nint ahead, float* sums) where T : IElement where TRows : IRowCount
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        float* x0 = x, x3 = x + 3 * xRow;
        var row2 = 2 * xRow;
        var k = 0;
        for (; k + 8 <= depth; k += 8, x0 += 8, x3 += 8)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(left + k * T.Size + ahead);
                Sse.Prefetch0(right + k * T.Size + ahead);
            }
            Vector256<float> l = T.Load(left + k * T.Size), r = T.Load(right + k * T.Size), v = Vector256.Load(x0);
            c00 = Vector256.FusedMultiplyAdd(v, l, c00); c01 = Vector256.FusedMultiplyAdd(v, r, c01);
            if (TRows.Count > 1) { v = Vector256.Load(x0 + xRow); c10 = Vector256.FusedMultiplyAdd(v, l, c10); c11 = Vector256.FusedMultiplyAdd(v, r, c11); }
            if (TRows.Count > 2) { v = Vector256.Load(x0 + row2); c20 = Vector256.FusedMultiplyAdd(v, l, c20); c21 = Vector256.FusedMultiplyAdd(v, r, c21); }
            if (TRows.Count > 3) { v = Vector256.Load(x3); c30 = Vector256.FusedMultiplyAdd(v, l, c30); c31 = Vector256.FusedMultiplyAdd(v, r, c31); }
            if (TRows.Count > 4) { v = Vector256.Load(x3 + xRow); c40 = Vector256.FusedMultiplyAdd(v, l, c40); c41 = Vector256.FusedMultiplyAdd(v, r, c41); }
            if (TRows.Count > 5) { v = Vector256.Load(x3 + row2); c50 = Vector256.FusedMultiplyAdd(v, l, c50); c51 = Vector256.FusedMultiplyAdd(v, r, c51); }
        }
        Store(c00, c01, c10, c11, TRows.Count > 1, sums);
        if (TRows.Count > 2) Store(c20, c21, c30, c31, TRows.Count > 3, sums + 2 * Outputs);
        if (TRows.Count > 4) Store(c40, c41, c50, c51, TRows.Count > 5, sums + 4 * Outputs);
        if (k < depth)
            for (var row = 0; row < TRows.Count; row++, x += xRow, sums += Outputs)
                (sums[0], sums[1]) = (AddRest<T>(sums[0], x, left, depth), AddRest<T>(sums[1], x, right, depth));
    }

    /// <summary>The sums of two outputs for one row or two.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d, bool two, float* sums)
    {
        var all = Sums(a, b, c, d);
        all.GetLower().Store(sums);
        if (two) all.GetUpper().Store(sums + Outputs);
    }

    /// <summary>The sums over the lanes of four vectors, each ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sums(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        if (Avx.IsSupported)
        {
            var halves = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, d));
            return halves.GetLower() + halves.GetUpper();
        }
        return Vector128.Create(Sum(a), Sum(b), Sum(c), Sum(d));

        static float Sum(Vector256<float> v) => ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
    }

    /// <summary>A sum and the last products, which fill no vector.</summary>
    private static float AddRest<T>(float sum, float* x, byte* w, int depth) where T : IElement
    {
        for (var k = depth / 8 * 8; k < depth; k++) sum = MathF.FusedMultiplyAdd(x[k], T.LoadOne(w + k * T.Size), sum);
        return sum;
    }

    [InlineArray(MostProducts)]
    private struct ProductBuffer
    {
        private RowProduct _first;
    }
}

/// <summary>One product of <see cref="FewRowsProduct"/>: Y = D + X W^T, and a second term or none.</summary>
/// <param name="Y">The result.</param>
/// <param name="D">What is added to, of the shape of Y, or null.</param>
/// <param name="Term">X and W, W not transposed.</param>
/// <param name="Second">A second product, or null.</param>
internal readonly record struct RowProduct(Matrix Y, Matrix? D, Term Term, Term? Second = null);
