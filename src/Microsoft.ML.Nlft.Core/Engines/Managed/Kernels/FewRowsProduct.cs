using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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

    /// <summary>Y[M x N] = D + X[M x K] W^T + the second term, with W[N x K] not transposed.</summary>
    /// <param name="workers">The threads.</param>
    /// <param name="y">The result.</param>
    /// <param name="d">What is added to, of the shape of <paramref name="y"/>, or null.</param>
    /// <param name="term">X and W.</param>
    /// <param name="second">A second product, or null.</param>
    public static void Multiply(Workers workers, Matrix y, Matrix? d, Term term, Term? second = null)
    {
        if (workers.Threads == 1 || (long)y.Rows * y.Columns * term.A.Columns < SequentialBelow) Compute(workers, y, d, term, second, 0, y.Columns);
        else
            workers.ForBlocks(y.Columns, OutputsPerTask, (workers, y, d, term, second), static (work, start, end) =>
                Compute(work.workers, work.y, work.d, work.term, work.second, start, end));
    }

    private static void Compute(Workers workers, Matrix y, Matrix? d, Term term, Term? second, int start, int end)
    {
        Add(workers, y, d, term, start, end);
        if (second is { } other) Add(workers, y, y, other, start, end);
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
        fixed (float* pinnedX = term.A.Array, pinnedW = term.B.Array)
        {
            var left = term.A.Left(pinnedX, 0, 0, depth);
            for (var output = start; output < end; output += Outputs)
            {
                var outputs = Math.Min(Outputs, end - output);
                var (address, stride, scaleAddress) = term.B.Stored(output, pinnedW);
                var w = (byte*)address;
                var scales = (float*)scaleAddress;
                if (y.Rows == 1) OneRow<T>(left.A, w, stride, outputs, depth, sums);
                else if (T.Size == sizeof(float)) SeveralRows(left.A, left.Row, y.Rows, (float*)w, stride / sizeof(float), outputs, depth, sums);
                else
                {
                    var widened = workers.Scratch(Outputs * depth);
                    for (var i = 0; i < outputs; i++) Operand.Widen<T>(w + i * stride, depth, widened + i * (nint)depth);
                    SeveralRows(left.A, left.Row, y.Rows, widened, depth, outputs, depth, sums);
                }
                for (var row = 0; row < y.Rows; row++)
                    for (var i = 0; i < outputs; i++)
                    {
                        var sum = T.IsScaled ? sums[row * Outputs + i] * scales[i] : sums[row * Outputs + i];
                        y[row][output + i] = d is { } addend ? addend[row][output + i] + sum : sum;
                    }
            }
        }
    }

    /// <summary>sums[i] = x w_i for up to eight outputs, as they are stored.</summary>
    private static void OneRow<T>(float* x, byte* w, nint stride, int outputs, int depth, float* sums) where T : IElement
    {
        if (outputs < Outputs)
        {
            for (var i = 0; i < outputs; i++, w += stride)
            {
                Vector256<float> s = default;
                var at = 0;
                for (; at + 8 <= depth; at += 8) s = Vector256.FusedMultiplyAdd(Vector256.Load(x + at), T.Load(w + at * T.Size), s);
                sums[i] = Finish<T>(s, x, w, at, depth);
            }
            return;
        }
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        byte* w0 = w, w3 = w + 3 * stride, w6 = w + 6 * stride;
        var stride2 = 2 * stride;
        var k = 0;
        for (; k + 8 <= depth; k += 8, w0 += 8 * T.Size, w3 += 8 * T.Size, w6 += 8 * T.Size)
        {
            var v = Vector256.Load(x + k);
            s0 = Vector256.FusedMultiplyAdd(v, T.Load(w0), s0); s1 = Vector256.FusedMultiplyAdd(v, T.Load(w0 + stride), s1); s2 = Vector256.FusedMultiplyAdd(v, T.Load(w0 + stride2), s2);
            s3 = Vector256.FusedMultiplyAdd(v, T.Load(w3), s3); s4 = Vector256.FusedMultiplyAdd(v, T.Load(w3 + stride), s4); s5 = Vector256.FusedMultiplyAdd(v, T.Load(w3 + stride2), s5);
            s6 = Vector256.FusedMultiplyAdd(v, T.Load(w6), s6); s7 = Vector256.FusedMultiplyAdd(v, T.Load(w6 + stride), s7);
        }
        (sums[0], sums[1], sums[2], sums[3]) = (Finish<T>(s0, x, w, k, depth), Finish<T>(s1, x, w + stride, k, depth), Finish<T>(s2, x, w + stride2, k, depth), Finish<T>(s3, x, w + 3 * stride, k, depth));
        (sums[4], sums[5], sums[6], sums[7]) = (Finish<T>(s4, x, w + 4 * stride, k, depth), Finish<T>(s5, x, w + 5 * stride, k, depth), Finish<T>(s6, x, w + 6 * stride, k, depth), Finish<T>(s7, x, w + 7 * stride, k, depth));
    }

    /// <summary>sums[row * 8 + i] = x_row w_i: two outputs and up to six rows at a time.</summary>
    private static void SeveralRows(float* x, nint xRow, int rows, float* w, nint stride, int outputs, int depth, float* sums)
    {
        for (var output = 0; output < outputs; output += 2)
        {
            float* left = w + output * stride, right = output + 1 < outputs ? left + stride : left;
            for (var row = 0; row < rows;)
            {
                var height = Tiles<Tile256>.Height(rows - row);
                float* a = x + row * xRow, target = sums + row * Outputs + output;
                switch (height)
                {
                    case 1: Pair<Rows1>(a, xRow, left, right, depth, target); break;
                    case 2: Pair<Rows2>(a, xRow, left, right, depth, target); break;
                    case 3: Pair<Rows3>(a, xRow, left, right, depth, target); break;
                    case 4: Pair<Rows4>(a, xRow, left, right, depth, target); break;
                    case 5: Pair<Rows5>(a, xRow, left, right, depth, target); break;
                    case 6: Pair<Rows6>(a, xRow, left, right, depth, target); break;
                }
                row += height;
            }
        }
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pair<TRows>(float* x, nint xRow, float* left, float* right, int depth, float* sums) where TRows : IRowCount
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        float* x0 = x, x3 = x + 3 * xRow;
        var row2 = 2 * xRow;
        var k = 0;
        for (; k + 8 <= depth; k += 8, x0 += 8, x3 += 8)
        {
            Vector256<float> l = Vector256.Load(left + k), r = Vector256.Load(right + k), v = Vector256.Load(x0);
            c00 = Vector256.FusedMultiplyAdd(v, l, c00); c01 = Vector256.FusedMultiplyAdd(v, r, c01);
            if (TRows.Count > 1) { v = Vector256.Load(x0 + xRow); c10 = Vector256.FusedMultiplyAdd(v, l, c10); c11 = Vector256.FusedMultiplyAdd(v, r, c11); }
            if (TRows.Count > 2) { v = Vector256.Load(x0 + row2); c20 = Vector256.FusedMultiplyAdd(v, l, c20); c21 = Vector256.FusedMultiplyAdd(v, r, c21); }
            if (TRows.Count > 3) { v = Vector256.Load(x3); c30 = Vector256.FusedMultiplyAdd(v, l, c30); c31 = Vector256.FusedMultiplyAdd(v, r, c31); }
            if (TRows.Count > 4) { v = Vector256.Load(x3 + xRow); c40 = Vector256.FusedMultiplyAdd(v, l, c40); c41 = Vector256.FusedMultiplyAdd(v, r, c41); }
            if (TRows.Count > 5) { v = Vector256.Load(x3 + row2); c50 = Vector256.FusedMultiplyAdd(v, l, c50); c51 = Vector256.FusedMultiplyAdd(v, r, c51); }
        }
        Finish(c00, c01, x, left, right, k, depth, sums);
        if (TRows.Count > 1) Finish(c10, c11, x + xRow, left, right, k, depth, sums + Outputs);
        if (TRows.Count > 2) Finish(c20, c21, x + 2 * xRow, left, right, k, depth, sums + 2 * Outputs);
        if (TRows.Count > 3) Finish(c30, c31, x + 3 * xRow, left, right, k, depth, sums + 3 * Outputs);
        if (TRows.Count > 4) Finish(c40, c41, x + 4 * xRow, left, right, k, depth, sums + 4 * Outputs);
        if (TRows.Count > 5) Finish(c50, c51, x + 5 * xRow, left, right, k, depth, sums + 5 * Outputs);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector256<float> s0, Vector256<float> s1, float* x, float* left, float* right, int k, int depth, float* sums) =>
        (sums[0], sums[1]) = (Finish<Float32>(s0, x, (byte*)left, k, depth), Finish<Float32>(s1, x, (byte*)right, k, depth));

    /// <summary>The sum over the lanes, and the last products that fill no vector.</summary>
    private static float Finish<T>(Vector256<float> s, float* x, byte* w, int k, int depth) where T : IElement
    {
        var sum = Vector256.Sum(s);
        for (; k < depth; k++) sum = MathF.FusedMultiplyAdd(x[k], T.LoadOne(w + k * T.Size), sum);
        return sum;
    }
}
