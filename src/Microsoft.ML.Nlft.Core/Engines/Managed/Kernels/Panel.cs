using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Packs a right factor B[K x N] into panels. A panel holds as many columns of B as a tile is wide, row after row, so that a kernel reads
/// it from front to back: panel[k * width + j] = B[k, j]. Panels are stored one after another.
/// </summary>
internal static unsafe class Panel
{
    /// <summary>Columns of a panel on this processor.</summary>
    public static int Width => Vector512.IsHardwareAccelerated ? Tile512.Columns : Tile256.Columns;

    /// <summary>Packs a float32 matrix.</summary>
    /// <param name="source">Its first element.</param>
    /// <param name="stride">Elements from one row of the matrix to the next.</param>
    /// <param name="transposed">Whether B is the transpose of the matrix.</param>
    /// <param name="depth">Rows of B.</param>
    /// <param name="columns">Columns of B. Zeros fill the last panel.</param>
    /// <param name="width">Columns of a panel, a multiple of 16.</param>
    /// <param name="panels">Receives the panels.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, nint stride, bool transposed, int depth, int columns, int width, float* panels)
    {
        if (columns % width != 0) new Span<float>(panels + columns / width * (nint)depth * width, depth * width).Clear();
        if (!transposed) // a row goes into all panels at once, because the next row lies on another page of memory
        {
            for (var k = 0; k < depth; k++, source += stride, panels += width)
            {
                for (var j = 0; j < columns; j += width) Copy(source + j, Math.Min(width, columns - j), width, panels + (nint)j * depth);
            }
        }
        else
        {
            for (var j = 0; j < columns; j += 8)
            {
                for (var k = 0; k < depth; k += 8)
                {
                    Transpose8x8<Float32>((byte*)(source + j * stride + k), stride * sizeof(float), 0, width, Math.Min(8, columns - j),
                        Math.Min(8, depth - k), null, panels + ((nint)(j / width) * depth + k) * width + j % width, width);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* source, int count, int width, float* target)
    {
        if (count == width)
        {
            for (var j = 0; j < width; j += 8) Vector256.Load(source + j).Store(target + j);
        }
        else
        {
            for (var j = 0; j < count; j++) target[j] = source[j];
        }
    }

    /// <summary>
    /// Transposes a block of up to 8 x 8 elements, target[k * targetStride + j] = scales[k] source[j, k]; a full block stays in registers.
    /// </summary>
    /// <param name="source">Row 0.</param>
    /// <param name="stride">Bytes from one row j to the next.</param>
    /// <param name="lane">The lane of the first element; see <see cref="IElement.Load8"/>.</param>
    /// <param name="width">Lanes of a row.</param>
    /// <param name="rows">Number of rows j, 1 to 8.</param>
    /// <param name="elements">Number of elements k, 1 to 8. Memory beyond them must be readable.</param>
    /// <param name="scales">Scales of the elements k, for a type that has them.</param>
    /// <param name="target">Receives the block.</param>
    /// <param name="targetStride">Floats from one k to the next in the target.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transpose8x8<T>(byte* source, nint stride, int lane, int width, int rows, int elements, float* scales,
        float* target, nint targetStride) where T : IElement
    {
        if (!Avx.IsSupported || rows != 8 || elements != 8)
        {
            TransposeEdge<T>(source, stride, lane, width, rows, elements, scales, target, targetStride);
            return;
        }
        // 4 x 4 blocks within the 128-bit halves first, then the halves across.
        var (a, b, c, d) = Transpose4x4Halves(T.Load8(source, lane, width), T.Load8(source + stride, lane, width),
            T.Load8(source + 2 * stride, lane, width), T.Load8(source + 3 * stride, lane, width));
        source += 4 * stride;
        var (e, f, g, h) = Transpose4x4Halves(T.Load8(source, lane, width), T.Load8(source + stride, lane, width),
            T.Load8(source + 2 * stride, lane, width), T.Load8(source + 3 * stride, lane, width));
        Scale<T>(Avx.Permute2x128(a, e, 0x20), scales, 0).Store(target);
        Scale<T>(Avx.Permute2x128(b, f, 0x20), scales, 1).Store(target + targetStride);
        Scale<T>(Avx.Permute2x128(c, g, 0x20), scales, 2).Store(target + 2 * targetStride);
        Scale<T>(Avx.Permute2x128(d, h, 0x20), scales, 3).Store(target + 3 * targetStride);
        target += 4 * targetStride;
        Scale<T>(Avx.Permute2x128(a, e, 0x31), scales, 4).Store(target);
        Scale<T>(Avx.Permute2x128(b, f, 0x31), scales, 5).Store(target + targetStride);
        Scale<T>(Avx.Permute2x128(c, g, 0x31), scales, 6).Store(target + 2 * targetStride);
        Scale<T>(Avx.Permute2x128(d, h, 0x31), scales, 7).Store(target + 3 * targetStride);
    }

    private static void TransposeEdge<T>(byte* source, nint stride, int lane, int width, int rows, int elements, float* scales,
        float* target, nint targetStride) where T : IElement
    {
        for (var j = 0; j < rows; j++)
        {
            for (var k = 0; k < elements; k++)
            {
                var value = T.Load(source + j * stride, lane + k, width);
                target[k * targetStride + j] = T.IsScaled ? value * scales[k] : value;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scale<T>(Vector256<float> values, float* scales, int k) where T : IElement =>
        T.IsScaled ? values * scales[k] : values;

    /// <summary>Transposes the two 4 x 4 halves of four rows of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Transpose4x4Halves(
        Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> ab = Avx.UnpackLow(a, b), ab2 = Avx.UnpackHigh(a, b), cd = Avx.UnpackLow(c, d), cd2 = Avx.UnpackHigh(c, d);
        return (Avx.Shuffle(ab, cd, 0x44), Avx.Shuffle(ab, cd, 0xEE), Avx.Shuffle(ab2, cd2, 0x44), Avx.Shuffle(ab2, cd2, 0xEE));
    }
}
