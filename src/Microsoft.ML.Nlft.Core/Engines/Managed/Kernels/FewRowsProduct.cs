using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// y = x W^T for a few rows of x, as in decoding: W is read once, row by row as it lies in memory, and meets every row of x while it is in the
/// first-level cache. An element is summed in eight lanes over k and then across the lanes, whatever the number of rows, so a sequence
/// gets the same bits alone or in a batch.
/// </summary>
internal static unsafe class FewRowsProduct
{
    /// <summary>From more rows than this the packed product is faster.</summary>
    public const int MostRows = 16;

    private const int Tile = 4, OutputsPerTask = 128;

    /// <param name="workers">The threads.</param>
    /// <param name="workspace">Arrays for reuse.</param>
    /// <param name="x">[M x K], its rows back to back.</param>
    /// <param name="weight">[N x K], not transposed.</param>
    /// <param name="y">[M x N].</param>
    public static void Multiply(Workers workers, Workspace workspace, Matrix x, Operand weight, Matrix y) =>
        workers.ForBlocks(weight.Rows, OutputsPerTask, (start, end) =>
        {
            var depth = weight.Columns;
            var widened = workspace.Rent(Tile * depth);
            fixed (float* pinnedX = x.Data, pinnedY = y.Data, pinnedW = weight.Array, scratch = widened)
            {
                float* px = pinnedX + x.Offset, py = pinnedY + y.Offset;
                for (var output = start; output < end; output += Tile)
                {
                    var outputs = Math.Min(Tile, end - output);
                    var w = weight.Floats(output, outputs, pinnedW, scratch);
                    for (var row = 0; row < x.Rows; row += Tile)
                    {
                        var rows = Math.Min(Tile, x.Rows - row);
                        float* a = px + (nint)row * x.Stride, c = py + (nint)row * y.Stride + output;
                        if (outputs == Tile && rows == Tile) FourByFour(a, x.Stride, w, depth, c, y.Stride);
                        else
                            for (var i = 0; i < rows; i++)
                                if (outputs == Tile) OneByFour(a + (nint)i * x.Stride, w, depth, c + (nint)i * y.Stride);
                                else
                                    for (var j = 0; j < outputs; j++) c[(nint)i * y.Stride + j] = One(a + (nint)i * x.Stride, w + (nint)j * depth, depth);
                    }
                }
            }
            workspace.Return(widened);
        });

    [SkipLocalsInit]
    private static void FourByFour(float* a, nint aRow, float* w, int depth, float* c, nint cRow)
    {
        Vector256<float> s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        Vector256<float> s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, w1 = w + depth, w2 = w1 + depth, w3 = w2 + depth;
        nint k = 0;
        for (; k + 8 <= depth; k += 8)
        {
            Vector256<float> v0 = Vector256.Load(w + k), v1 = Vector256.Load(w1 + k), v2 = Vector256.Load(w2 + k), v3 = Vector256.Load(w3 + k);
            var x = Vector256.Load(a + k);
            s00 = Vector256.FusedMultiplyAdd(x, v0, s00); s01 = Vector256.FusedMultiplyAdd(x, v1, s01);
            s02 = Vector256.FusedMultiplyAdd(x, v2, s02); s03 = Vector256.FusedMultiplyAdd(x, v3, s03);
            x = Vector256.Load(a1 + k);
            s10 = Vector256.FusedMultiplyAdd(x, v0, s10); s11 = Vector256.FusedMultiplyAdd(x, v1, s11);
            s12 = Vector256.FusedMultiplyAdd(x, v2, s12); s13 = Vector256.FusedMultiplyAdd(x, v3, s13);
            x = Vector256.Load(a2 + k);
            s20 = Vector256.FusedMultiplyAdd(x, v0, s20); s21 = Vector256.FusedMultiplyAdd(x, v1, s21);
            s22 = Vector256.FusedMultiplyAdd(x, v2, s22); s23 = Vector256.FusedMultiplyAdd(x, v3, s23);
            x = Vector256.Load(a3 + k);
            s30 = Vector256.FusedMultiplyAdd(x, v0, s30); s31 = Vector256.FusedMultiplyAdd(x, v1, s31);
            s32 = Vector256.FusedMultiplyAdd(x, v2, s32); s33 = Vector256.FusedMultiplyAdd(x, v3, s33);
        }
        Store(c, s00, s01, s02, s03, a, w, k, depth);
        Store(c + cRow, s10, s11, s12, s13, a1, w, k, depth);
        Store(c + 2 * cRow, s20, s21, s22, s23, a2, w, k, depth);
        Store(c + 3 * cRow, s30, s31, s32, s33, a3, w, k, depth);
    }

    [SkipLocalsInit]
    private static void OneByFour(float* a, float* w, int depth, float* c)
    {
        Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
        float* w1 = w + depth, w2 = w1 + depth, w3 = w2 + depth;
        nint k = 0;
        for (; k + 8 <= depth; k += 8)
        {
            var x = Vector256.Load(a + k);
            s0 = Vector256.FusedMultiplyAdd(x, Vector256.Load(w + k), s0); s1 = Vector256.FusedMultiplyAdd(x, Vector256.Load(w1 + k), s1);
            s2 = Vector256.FusedMultiplyAdd(x, Vector256.Load(w2 + k), s2); s3 = Vector256.FusedMultiplyAdd(x, Vector256.Load(w3 + k), s3);
        }
        Store(c, s0, s1, s2, s3, a, w, k, depth);
    }

    private static float One(float* a, float* w, int depth)
    {
        Vector256<float> s = default;
        nint k = 0;
        for (; k + 8 <= depth; k += 8) s = Vector256.FusedMultiplyAdd(Vector256.Load(a + k), Vector256.Load(w + k), s);
        return Finish(s, a, w, k, depth);
    }

    private static void Store(float* c, Vector256<float> s0, Vector256<float> s1, Vector256<float> s2, Vector256<float> s3, float* a, float* w, nint k, int depth)
    {
        c[0] = Finish(s0, a, w, k, depth);
        c[1] = Finish(s1, a, w + depth, k, depth);
        c[2] = Finish(s2, a, w + 2 * (nint)depth, k, depth);
        c[3] = Finish(s3, a, w + 3 * (nint)depth, k, depth);
    }

    /// <summary>The sum over the lanes, and the last products that fill no vector.</summary>
    private static float Finish(Vector256<float> s, float* a, float* w, nint k, int depth)
    {
        var sum = Vector256.Sum(s);
        for (; k < depth; k++) sum = MathF.FusedMultiplyAdd(a[k], w[k], sum);
        return sum;
    }
}
