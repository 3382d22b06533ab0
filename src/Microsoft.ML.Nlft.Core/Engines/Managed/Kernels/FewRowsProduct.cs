using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Y = D + X W^T for a few rows of X, as in decoding: W is read once, row by row as it is stored, in one run of rows per thread, and meets every row of
/// X while it is in the caches. An element is summed in eight lanes over k and then across the lanes, whatever the number of rows and threads, so a
/// sequence gets the same bits alone or in a batch.
/// </summary>
internal static unsafe class FewRowsProduct
{
    /// <summary>From more rows than this the packed product is faster.</summary>
    public const int MostRows = 16;

    /// <summary>Most products of one call.</summary>
    public const int MostProducts = 3;

    private const int TileRows = 4, TileOutputs = 3; // 12 sums, 3 of W and 1 of X in AVX2's 16 registers
    private const int Block = 12; // outputs that all rows meet before the next ones, which are asked for meanwhile
    private const int SumRow = 16; // from one row's sums of a block to the next; a tile stores four sums at a time
    private const int LeastShare = 1 << 14; // multiply-adds worth another thread

    /// <summary>Y[M x N] = D + X[M x K] W^T + the second term for each of a few products of as many rows, shared out together.</summary>
    public static void Multiply(Workers workers, params ReadOnlySpan<RowProduct> products)
    {
        var (shared, work, floats) = (new SharedOut { Count = products.Length }, 0L, 0);
        foreach (var product in products)
        {
            work += (long)product.Y.Rows * product.Y.Columns * product.Term.A.Columns;
            floats += product.Y.Rows * (RowOf(product.Term) + (product.Second is { } second ? RowOf(second) : 0));
        }
        var x = workers.Scratch(floats); // of this thread; the others read it
        for (var i = 0; i < products.Length; i++)
        {
            shared.Products[i] = (products[i], (nint)x);
            x = Arrange(products[i].Term, products[i].Y.Rows, x);
            if (products[i].Second is { } second) x = Arrange(second, products[i].Y.Rows, x);
        }
        shared.Shares = (int)Math.Clamp(work / LeastShare, 1, workers.Threads);
        workers.For(shared.Shares, shared, static (shared, share) =>
        {
            for (var i = 0; i < shared.Count; i++)
            {
                var (product, x) = shared.Products[i];
                var (y, blocks) = (product.Y, (product.Y.Columns + Block - 1) / Block);
                int start = (int)((long)blocks * share / shared.Shares) * Block, end = Math.Min(y.Columns, (int)((long)blocks * (share + 1) / shared.Shares) * Block);
                Add(y, product.D, product.Term, (float*)x, start, end);
                if (product.Second is { } other) Add(y, y, other, (float*)x + y.Rows * RowOf(product.Term), start, end);
            }
        });
    }

    /// <summary>Floats from one row of the arranged X to the next.</summary>
    private static int RowOf(Term term) => (term.A.Columns + 15) / 16 * 16;

    /// <summary>The groups of sixteen that the kernel takes at a time. Not the last one: <see cref="BFloat16.LoadOdd"/> reads beyond it.</summary>
    private static int Sixteens(int depth) => (depth - 1) / 16;

    /// <summary>Copies X to <paramref name="target"/>, in the order in which the kernel meets W; returns its end.</summary>
    private static float* Arrange(Term term, int rows, float* target)
    {
        var depth = term.A.Columns;
        fixed (float* pinned = term.A.Array)
        {
            var left = term.A.Left(pinned, 0, 0, depth);
            for (var row = 0; row < rows; row++, target += RowOf(term))
            {
                var x = left.A + row * left.Row;
                var k = 0;
                if (term.B.Type == TensorType.BF16)
                    for (; k < Sixteens(depth) * 16; k += 16) BFloat16.Split(x + k, target + k);
                new Span<float>(x + k, depth - k).CopyTo(new Span<float>(target + k, depth - k));
            }
        }
        return target;
    }

    private static void Add(Matrix y, Matrix? d, Term term, float* x, int start, int end)
    {
        switch (term.B.Type)
        {
            case TensorType.F32: Add<Float32>(y, d, term, x, start, end); break;
            case TensorType.BF16: Add<BFloat16>(y, d, term, x, start, end); break;
            case TensorType.F16: Add<Float16>(y, d, term, x, start, end); break;
            case TensorType.I8: Add<Int8>(y, d, term, x, start, end); break;
            default: throw new InvalidOperationException($"{term.B.Type} is no type of weights.");
        }
    }

    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add<T>(Matrix y, Matrix? d, Term term, float* x, int start, int end) where T : IElement
    {
        var (depth, xRow, tiles) = (term.A.Columns, RowOf(term), (y.Rows + TileRows - 1) / TileRows);
        var sums = stackalloc float[MostRows * SumRow];
        fixed (float* pinnedW = term.B.Array, pinnedY = y.Data, pinnedD = d?.Data)
            for (var block = start; block < end; block += Block)
            {
                var outputs = Math.Min(Block, end - block);
                var (address, stride, scales) = term.B.Stored(block, pinnedW);
                var last = block + Block >= end; // what follows is another thread's
                for (var tile = 0; tile < tiles; tile++)
                    for (var i = 0; i < outputs; i += TileOutputs)
                    {
                        byte* w0 = (byte*)address + i * stride, w1 = i + 1 < outputs ? w0 + stride : w0, w2 = i + 2 < outputs ? w1 + stride : w1;
                        byte* next = last ? w0 : w0 + Block * stride + TileOutputs * stride * tile / tiles; // every tile asks for its part of the next rows
                        var step = last ? 0 : TileOutputs * 16 * T.Size / tiles;
                        float* rows = x + (nint)tile * TileRows * xRow, target = sums + tile * TileRows * SumRow + i;
                        switch (y.Rows - tile * TileRows)
                        {
                            case 1: Tile<T, Rows1>(rows, xRow, w0, w1, w2, depth, next, step, target); break;
                            case 2: Tile<T, Rows2>(rows, xRow, w0, w1, w2, depth, next, step, target); break;
                            case 3: Tile<T, Rows3>(rows, xRow, w0, w1, w2, depth, next, step, target); break;
                            default: Tile<T, Rows4>(rows, xRow, w0, w1, w2, depth, next, step, target); break;
                        }
                    }
                for (var row = 0; row < y.Rows; row++)
                    Store<T>(sums + row * SumRow, (float*)scales, outputs, d is { } addend ? pinnedD + addend.Index(row, block) : null, pinnedY + y.Index(row, block));
            }
    }

    /// <summary>y_i = d_i + sum_i, times the output's factor where the type has one.</summary>
    private static void Store<T>(float* sums, float* scales, int outputs, float* d, float* y) where T : IElement
    {
        var i = 0;
        for (; i + 4 <= outputs; i += 4)
        {
            var sum = Vector128.Load(sums + i);
            if (T.IsScaled) sum *= Vector128.Load(scales + i);
            if (d is not null) sum += Vector128.Load(d + i);
            sum.Store(y + i);
        }
        for (; i < outputs; i++)
        {
            var sum = T.IsScaled ? sums[i] * scales[i] : sums[i];
            y[i] = d is null ? sum : d[i] + sum;
        }
    }

    /// <summary>
    /// sums[row, i] = x_row w_i for three outputs. Weights are converted in registers, eight of sixteen at a time, and meet up to four rows; the memory is
    /// asked for what lies at <paramref name="next"/>, so many bytes a time as <paramref name="step"/> says.
    /// </summary>
    [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<T, TRows>(float* x, nint xRow, byte* w0, byte* w1, byte* w2, int depth, byte* next, nint step, float* sums) where T : IElement where TRows : IRowCount
    {
        Vector256<float> c00 = default, c01 = default, c02 = default, c10 = default, c11 = default, c12 = default;
        Vector256<float> c20 = default, c21 = default, c22 = default, c30 = default, c31 = default, c32 = default;
        float* x0 = x, x2 = x + 2 * xRow;
        for (var end = x + 16 * Sixteens(depth); x0 < end; x0 += 16, x2 += 16, w0 += 16 * T.Size, w1 += 16 * T.Size, w2 += 16 * T.Size, next += step)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0(next);
                if (TRows.Count == 1) Sse.Prefetch0(next + 64);
            }
            Vector256<float> a = First<T>(w0), b = First<T>(w1), c = First<T>(w2), v = Vector256.Load(x0);
            c00 = Vector256.FusedMultiplyAdd(v, a, c00); c01 = Vector256.FusedMultiplyAdd(v, b, c01); c02 = Vector256.FusedMultiplyAdd(v, c, c02);
            if (TRows.Count > 1) { v = Vector256.Load(x0 + xRow); c10 = Vector256.FusedMultiplyAdd(v, a, c10); c11 = Vector256.FusedMultiplyAdd(v, b, c11); c12 = Vector256.FusedMultiplyAdd(v, c, c12); }
            if (TRows.Count > 2) { v = Vector256.Load(x2); c20 = Vector256.FusedMultiplyAdd(v, a, c20); c21 = Vector256.FusedMultiplyAdd(v, b, c21); c22 = Vector256.FusedMultiplyAdd(v, c, c22); }
            if (TRows.Count > 3) { v = Vector256.Load(x2 + xRow); c30 = Vector256.FusedMultiplyAdd(v, a, c30); c31 = Vector256.FusedMultiplyAdd(v, b, c31); c32 = Vector256.FusedMultiplyAdd(v, c, c32); }
            a = Second<T>(w0); b = Second<T>(w1); c = Second<T>(w2); v = Vector256.Load(x0 + 8);
            c00 = Vector256.FusedMultiplyAdd(v, a, c00); c01 = Vector256.FusedMultiplyAdd(v, b, c01); c02 = Vector256.FusedMultiplyAdd(v, c, c02);
            if (TRows.Count > 1) { v = Vector256.Load(x0 + xRow + 8); c10 = Vector256.FusedMultiplyAdd(v, a, c10); c11 = Vector256.FusedMultiplyAdd(v, b, c11); c12 = Vector256.FusedMultiplyAdd(v, c, c12); }
            if (TRows.Count > 2) { v = Vector256.Load(x2 + 8); c20 = Vector256.FusedMultiplyAdd(v, a, c20); c21 = Vector256.FusedMultiplyAdd(v, b, c21); c22 = Vector256.FusedMultiplyAdd(v, c, c22); }
            if (TRows.Count > 3) { v = Vector256.Load(x2 + xRow + 8); c30 = Vector256.FusedMultiplyAdd(v, a, c30); c31 = Vector256.FusedMultiplyAdd(v, b, c31); c32 = Vector256.FusedMultiplyAdd(v, c, c32); }
        }
        for (var end = x + (depth - 7); x0 < end; x0 += 8, x2 += 8, w0 += 8 * T.Size, w1 += 8 * T.Size, w2 += 8 * T.Size) // up to two more, in order
        {
            Vector256<float> a = T.Load(w0), b = T.Load(w1), c = T.Load(w2), v = Vector256.Load(x0);
            c00 = Vector256.FusedMultiplyAdd(v, a, c00); c01 = Vector256.FusedMultiplyAdd(v, b, c01); c02 = Vector256.FusedMultiplyAdd(v, c, c02);
            if (TRows.Count > 1) { v = Vector256.Load(x0 + xRow); c10 = Vector256.FusedMultiplyAdd(v, a, c10); c11 = Vector256.FusedMultiplyAdd(v, b, c11); c12 = Vector256.FusedMultiplyAdd(v, c, c12); }
            if (TRows.Count > 2) { v = Vector256.Load(x2); c20 = Vector256.FusedMultiplyAdd(v, a, c20); c21 = Vector256.FusedMultiplyAdd(v, b, c21); c22 = Vector256.FusedMultiplyAdd(v, c, c22); }
            if (TRows.Count > 3) { v = Vector256.Load(x2 + xRow); c30 = Vector256.FusedMultiplyAdd(v, a, c30); c31 = Vector256.FusedMultiplyAdd(v, b, c31); c32 = Vector256.FusedMultiplyAdd(v, c, c32); }
        }
        Sums(c00, c01, c02).Store(sums);
        if (TRows.Count > 1) Sums(c10, c11, c12).Store(sums + SumRow);
        if (TRows.Count > 2) Sums(c20, c21, c22).Store(sums + 2 * SumRow);
        if (TRows.Count > 3) Sums(c30, c31, c32).Store(sums + 3 * SumRow);
        for (var rest = depth % 8; rest > 0; rest--, x0++, w0 += T.Size, w1 += T.Size, w2 += T.Size) // what fills no vector
            for (var row = 0; row < TRows.Count; row++)
            {
                var v = x0[row * xRow];
                var sum = sums + row * SumRow;
                sum[0] = MathF.FusedMultiplyAdd(v, T.LoadOne(w0), sum[0]);
                sum[1] = MathF.FusedMultiplyAdd(v, T.LoadOne(w1), sum[1]);
                sum[2] = MathF.FusedMultiplyAdd(v, T.LoadOne(w2), sum[2]);
            }
    }

    /// <summary>Eight of the sixteen elements at <paramref name="w"/>; <see cref="Second"/> are the others.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> First<T>(byte* w) where T : IElement => typeof(T) == typeof(BFloat16) ? BFloat16.LoadEven(w) : T.Load(w);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Second<T>(byte* w) where T : IElement => typeof(T) == typeof(BFloat16) ? BFloat16.LoadOdd(w) : T.Load(w + 8 * T.Size);

    /// <summary>The sums over the lanes of three vectors, each ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)); the fourth is the third again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Sums(Vector256<float> a, Vector256<float> b, Vector256<float> c)
    {
        if (Avx.IsSupported)
        {
            var halves = Avx.HorizontalAdd(Avx.HorizontalAdd(a, b), Avx.HorizontalAdd(c, c));
            return halves.GetLower() + halves.GetUpper();
        }
        return Vector128.Create(Sum(a), Sum(b), Sum(c), 0);

        static float Sum(Vector256<float> v) => ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
    }

    private struct SharedOut
    {
        public int Count, Shares;
        public ProductBuffer Products;
    }

    /// <summary>The products, and where their arranged X lies.</summary>
    [InlineArray(MostProducts)]
    private struct ProductBuffer
    {
        private (RowProduct, nint) _first;
    }
}

/// <summary>One product of <see cref="FewRowsProduct"/>: Y = D + X W^T, and a second term or none.</summary>
/// <param name="Y">The result.</param>
/// <param name="D">What is added to, of the shape of Y, or null.</param>
/// <param name="Term">X and W, W not transposed.</param>
/// <param name="Second">A second product, or null.</param>
internal readonly record struct RowProduct(Matrix Y, Matrix? D, Term Term, Term? Second = null);
