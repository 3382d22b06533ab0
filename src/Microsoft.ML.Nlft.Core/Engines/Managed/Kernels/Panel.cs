using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A panel is a slice of a product's right factor in float32, as wide as a tile and as deep as the sum: panel[k * width + j]. Several panels lie one
/// after the other.
/// </summary>
internal static unsafe class Panel
{
    /// <summary>The width on this processor.</summary>
    public static int Width => Vector512.IsHardwareAccelerated ? Tile512.Columns : Tile256.Columns;

    /// <summary>Fills panels from a matrix.</summary>
    /// <param name="source">The first element.</param>
    /// <param name="stride">Elements from one row of the matrix to the next.</param>
    /// <param name="transposed">Whether a row of the matrix becomes a column; otherwise it becomes a row.</param>
    /// <param name="depth">Rows of a panel.</param>
    /// <param name="columns">Columns of all panels together.</param>
    /// <param name="width">Columns of a panel, a multiple of 16; where the last one has more than are left, they become zeros.</param>
    /// <param name="panels">Where they go.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, nint stride, bool transposed, int depth, int columns, int width, float* panels)
    {
        if (columns % width != 0) new Span<float>(panels + columns / width * (nint)depth * width, depth * width).Clear();
        if (!transposed) // all panels together, since every row lies on another page of memory
            for (var k = 0; k < depth; k++, source += stride, panels += width)
                for (var j = 0; j < columns; j += width)
                    Copy(source + j, Math.Min(width, columns - j), width, panels + (nint)j * depth);
        else
            for (var j = 0; j < columns; j += 8)
                for (var k = 0; k < depth; k += 8)
                    Turn<Float32>((byte*)(source + j * stride + k), stride * sizeof(float), 0, width, Math.Min(8, columns - j), Math.Min(8, depth - k), null,
                        panels + ((nint)(j / width) * depth + k) * width + j % width, width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* source, int count, int width, float* target)
    {
        if (count == width)
            for (var j = 0; j < width; j += 8) Vector256.Load(source + j).Store(target + j);
        else
            for (var j = 0; j < count; j++) target[j] = source[j];
    }

    /// <summary>target[k * targetRow + j] = source[j, k] for up to eight rows j and eight elements k, in registers where these are whole.</summary>
    /// <param name="source">Row 0.</param>
    /// <param name="stride">Bytes from one row to the next.</param>
    /// <param name="lane">The first element's lane; see <see cref="IElement.Eight"/>.</param>
    /// <param name="width">The lanes of a row.</param>
    /// <param name="rows">Number of rows, 1 to 8.</param>
    /// <param name="elements">Number of elements, 1 to 8; those beyond can be read.</param>
    /// <param name="scales">Factors of the elements k, where the type has them.</param>
    /// <param name="target">Where they go.</param>
    /// <param name="targetRow">Floats from one k to the next there.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Turn<T>(byte* source, nint stride, int lane, int width, int rows, int elements, float* scales, float* target, nint targetRow) where T : IElement
    {
        if (Avx.IsSupported && rows == 8 && elements == 8)
        {
            // Pairs and quadruples of rows within the 128-bit halves, then the halves across.
            var (a, b, c, d) = Quadruples(T.Eight(source, lane, width), T.Eight(source + stride, lane, width), T.Eight(source + 2 * stride, lane, width), T.Eight(source + 3 * stride, lane, width));
            source += 4 * stride;
            var (e, f, g, h) = Quadruples(T.Eight(source, lane, width), T.Eight(source + stride, lane, width), T.Eight(source + 2 * stride, lane, width), T.Eight(source + 3 * stride, lane, width));
            Scale<T>(Avx.Permute2x128(a, e, 0x20), scales, 0).Store(target);
            Scale<T>(Avx.Permute2x128(b, f, 0x20), scales, 1).Store(target + targetRow);
            Scale<T>(Avx.Permute2x128(c, g, 0x20), scales, 2).Store(target + 2 * targetRow);
            Scale<T>(Avx.Permute2x128(d, h, 0x20), scales, 3).Store(target + 3 * targetRow);
            target += 4 * targetRow;
            Scale<T>(Avx.Permute2x128(a, e, 0x31), scales, 4).Store(target);
            Scale<T>(Avx.Permute2x128(b, f, 0x31), scales, 5).Store(target + targetRow);
            Scale<T>(Avx.Permute2x128(c, g, 0x31), scales, 6).Store(target + 2 * targetRow);
            Scale<T>(Avx.Permute2x128(d, h, 0x31), scales, 7).Store(target + 3 * targetRow);
        }
        else TurnPart<T>(source, stride, lane, width, rows, elements, scales, target, targetRow);
    }

    private static void TurnPart<T>(byte* source, nint stride, int lane, int width, int rows, int elements, float* scales, float* target, nint targetRow) where T : IElement
    {
        for (var j = 0; j < rows; j++)
            for (var k = 0; k < elements; k++)
            {
                var value = T.One(source + j * stride, lane + k, width);
                target[k * targetRow + j] = T.IsScaled ? value * scales[k] : value;
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Scale<T>(Vector256<float> values, float* scales, int k) where T : IElement => T.IsScaled ? values * scales[k] : values;

    /// <summary>Transposes the two 4 x 4 halves of four rows of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Quadruples(
        Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> ab = Avx.UnpackLow(a, b), ab2 = Avx.UnpackHigh(a, b), cd = Avx.UnpackLow(c, d), cd2 = Avx.UnpackHigh(c, d);
        return (Avx.Shuffle(ab, cd, 0x44), Avx.Shuffle(ab, cd, 0xEE), Avx.Shuffle(ab2, cd2, 0x44), Avx.Shuffle(ab2, cd2, 0xEE));
    }
}
