using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A panel is a slice of a product's right factor in float32, as wide as a tile and as deep as the sum: panel[k * width + j]. Several panels lie one
/// after the other.
/// </summary>
internal static unsafe class Panel
{
    /// <summary>Fills panels from a stored matrix.</summary>
    /// <param name="type">Type of the stored elements.</param>
    /// <param name="source">The first element.</param>
    /// <param name="stride">Elements from one stored row to the next.</param>
    /// <param name="scales">With I8, the factors of the stored rows, from the first one on.</param>
    /// <param name="transposed">Whether a stored row becomes a column; otherwise it becomes a row.</param>
    /// <param name="depth">Rows of a panel.</param>
    /// <param name="columns">Columns of all panels together.</param>
    /// <param name="width">Columns of a panel, a multiple of 16; where the last one has more than are left, they become zeros.</param>
    /// <param name="panelDepth">Rows from the beginning of one panel to that of the next.</param>
    /// <param name="panels">Where they go.</param>
    public static void Pack(TensorType type, byte* source, nint stride, float* scales, bool transposed, int depth, int columns, int width, int panelDepth, float* panels)
    {
        switch (type)
        {
            case TensorType.F32: Pack<Float32>(source, stride, scales, transposed, depth, columns, width, panelDepth, panels); break;
            case TensorType.BF16: Pack<BFloat16>(source, stride, scales, transposed, depth, columns, width, panelDepth, panels); break;
            case TensorType.F16: Pack<Float16>(source, stride, scales, transposed, depth, columns, width, panelDepth, panels); break;
            case TensorType.I8: Pack<Int8>(source, stride, scales, transposed, depth, columns, width, panelDepth, panels); break;
            default: throw new InvalidOperationException($"{type} is no type of weights.");
        }
    }

    private static void Pack<T>(byte* source, nint stride, float* scales, bool transposed, int depth, int columns, int width, int panelDepth, float* panels) where T : IElement
    {
        if (columns % width != 0) new Span<float>(panels + columns / width * (nint)panelDepth * width, depth * width).Clear();
        if (!transposed) Copy<T>(source, stride * T.Size, scales, depth, columns, width, panelDepth, panels);
        else
            for (var column = 0; column < columns; column += width)
                Turn<T>(source + column * stride * T.Size, stride * T.Size, T.IsScaled ? scales + column : null, depth, Math.Min(width, columns - column), width, panels + (nint)column * panelDepth);
    }

    /// <summary>The panels' element [k, j] = source[k, j]. All panels together, since every row lies on another page of memory.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy<T>(byte* source, nint stride, float* scales, int depth, int columns, int width, int panelDepth, float* panels) where T : IElement
    {
        var whole = columns / width * width;
        var size = (nint)panelDepth * width;
        for (var k = 0; k < depth; k++, source += stride, panels += width)
        {
            var scale = T.IsScaled ? scales[k] : 1;
            var (from, to, column) = ((nint)source, (nint)panels, 0);
            for (; column < whole; column += width, to += size * sizeof(float))
                for (var j = 0; j < width; j += 16, from += 16 * T.Size)
                {
                    Load<T>((byte*)from, scale).Store((float*)to + j);
                    Load<T>((byte*)from + 8 * T.Size, scale).Store((float*)to + j + 8);
                }
            for (var j = 0; column < columns; column++, j++, from += T.Size)
                ((float*)to)[j] = T.IsScaled ? T.LoadOne((byte*)from) * scale : T.LoadOne((byte*)from);
        }
    }

    /// <summary>panel[k, j] = source[j, k] for one panel: eight by eight elements at a time, in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn<T>(byte* source, nint stride, float* scales, int depth, int columns, int width, float* panel) where T : IElement
    {
        int wholeColumns = Avx.IsSupported ? columns / 8 * 8 : 0, wholeDepth = Avx.IsSupported ? depth / 8 * 8 : 0;
        for (var k = 0; k < wholeDepth; k += 8)
            for (var j = 0; j < wholeColumns; j += 8)
                TurnBlock<T>(source + j * stride + k * T.Size, stride, T.IsScaled ? scales + j : null, panel + (nint)k * width + j, width);
        for (var j = 0; j < columns; j++)
            for (var k = j < wholeColumns ? wholeDepth : 0; k < depth; k++)
            {
                var value = T.LoadOne(source + j * stride + k * T.Size);
                panel[(nint)k * width + j] = T.IsScaled ? value * scales[j] : value;
            }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnBlock<T>(byte* s, nint stride, float* scales, float* t, nint width) where T : IElement
    {
        float Scale(int row) => T.IsScaled ? scales[row] : 1;
        // Pairs and quadruples of rows within the 128-bit halves, then the halves across.
        var (a, b, c, d) = Quadruples(Load<T>(s, Scale(0)), Load<T>(s + stride, Scale(1)), Load<T>(s + 2 * stride, Scale(2)), Load<T>(s + 3 * stride, Scale(3)));
        s += 4 * stride;
        var (e, f, g, h) = Quadruples(Load<T>(s, Scale(4)), Load<T>(s + stride, Scale(5)), Load<T>(s + 2 * stride, Scale(6)), Load<T>(s + 3 * stride, Scale(7)));
        Avx.Permute2x128(a, e, 0x20).Store(t);
        Avx.Permute2x128(b, f, 0x20).Store(t + width);
        Avx.Permute2x128(c, g, 0x20).Store(t + 2 * width);
        Avx.Permute2x128(d, h, 0x20).Store(t + 3 * width);
        t += 4 * width;
        Avx.Permute2x128(a, e, 0x31).Store(t);
        Avx.Permute2x128(b, f, 0x31).Store(t + width);
        Avx.Permute2x128(c, g, 0x31).Store(t + 2 * width);
        Avx.Permute2x128(d, h, 0x31).Store(t + 3 * width);
    }

    /// <summary>Transposes the two 4 x 4 halves of four rows of eight.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Quadruples(
        Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> ab = Avx.UnpackLow(a, b), ab2 = Avx.UnpackHigh(a, b), cd = Avx.UnpackLow(c, d), cd2 = Avx.UnpackHigh(c, d);
        return (Avx.Shuffle(ab, cd, 0x44), Avx.Shuffle(ab, cd, 0xEE), Avx.Shuffle(ab2, cd2, 0x44), Avx.Shuffle(ab2, cd2, 0xEE));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Load<T>(byte* source, float scale) where T : IElement => T.IsScaled ? T.Load(source) * scale : T.Load(source);
}
