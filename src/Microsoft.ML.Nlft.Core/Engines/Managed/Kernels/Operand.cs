using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// One factor of a matrix product: a matrix in an array, or a frozen weight as it lies in its file (F32, F16 or BF16), possibly
/// transposed. Strides count elements. File types are widened to float32 while panels are packed.
/// </summary>
internal readonly unsafe struct Operand
{
    public readonly float[]? Array;
    public readonly int Offset;
    public readonly byte* Mapped;
    public readonly TensorType Type;
    public readonly int Rows, Columns;
    public readonly nint RowStride, ColumnStride;

    private Operand(float[]? array, int offset, byte* mapped, TensorType type, int rows, int columns, nint rowStride, nint columnStride)
    {
        (Array, Offset, Type, Rows, Columns, RowStride, ColumnStride) = (array, offset, type, rows, columns, rowStride, columnStride);
        Mapped = mapped;
    }

    public Operand(Matrix matrix) : this(matrix.Data, matrix.Offset, null, TensorType.F32, matrix.Rows, matrix.Columns, matrix.Stride, 1) { }

    public Operand(byte* mapped, TensorType type, int rows, int columns) : this(null, 0, mapped, type, rows, columns, columns, 1) { }

    public static implicit operator Operand(Matrix matrix) => new(matrix);

    public Operand Transposed => new(Array, Offset, Mapped, Type, Columns, Rows, ColumnStride, RowStride);

    /// <summary>Rows [row, row + rows).</summary>
    public Operand RowRange(int row, int rows) => Array is not null
        ? new(Array, Offset + (int)(row * RowStride), null, Type, rows, Columns, RowStride, ColumnStride)
        : new(null, 0, Mapped + row * RowStride * ElementSize, Type, rows, Columns, RowStride, ColumnStride);

    private int ElementSize => Type == TensorType.F32 ? 4 : 2;

    /// <summary>
    /// Copies columns [column, column + width) of rows [row, row + depth) to a panel: destination[k * panelWidth + j], zeros beyond width.
    /// </summary>
    public void Pack(int row, int depth, int column, int width, int panelWidth, float* destination)
    {
        fixed (float* pinned = Array)
        {
            var source = Array is null ? Mapped : (byte*)(pinned + Offset);
            if (ColumnStride == 1)
            {
                for (var k = 0; k < depth; k++, destination += panelWidth)
                {
                    Widen(source + ((row + k) * RowStride + column) * ElementSize, Type, destination, width);
                    if (width < panelWidth) new Span<float>(destination + width, panelWidth - width).Clear();
                }
                return;
            }
            const int Run = 64;
            var runs = stackalloc float[8 * Run]; // eight columns at a time, each a run of rows: transposed while they are in the first-level cache
            if (width < panelWidth) new Span<float>(destination, depth * panelWidth).Clear();
            for (var k = 0; k < depth; k += Run)
            {
                var length = Math.Min(Run, depth - k);
                for (var j = 0; j < width; j += 8)
                {
                    var columns = Math.Min(8, width - j);
                    for (var c = 0; c < columns; c++)
                        Widen(source + ((row + k) * RowStride + (column + j + c) * ColumnStride) * ElementSize, Type, runs + c * Run, length);
                    Transpose(runs, Run, length, columns, destination + k * panelWidth + j, panelWidth);
                }
            }
        }
    }

    /// <summary>target[i * targetStride + c] = source[c * sourceStride + i] for c below columns (at most 8) and i below length.</summary>
    private static void Transpose(float* source, int sourceStride, int length, int columns, float* target, int targetStride)
    {
        var i = 0;
        if (columns == 8 && Avx.IsSupported)
            for (; i + 8 <= length; i += 8)
            {
                float* s = source + i, t = target + i * targetStride;
                Vector256<float> a = Vector256.Load(s), b = Vector256.Load(s + sourceStride), c = Vector256.Load(s + 2 * sourceStride), d = Vector256.Load(s + 3 * sourceStride);
                Vector256<float> e = Vector256.Load(s + 4 * sourceStride), f = Vector256.Load(s + 5 * sourceStride), g = Vector256.Load(s + 6 * sourceStride), h = Vector256.Load(s + 7 * sourceStride);
                // 8 x 8 in three rounds: pairs, quadruples, halves
                (a, b, c, d) = Quadruples(a, b, c, d);
                (e, f, g, h) = Quadruples(e, f, g, h);
                Avx.Permute2x128(a, e, 0x20).Store(t);
                Avx.Permute2x128(b, f, 0x20).Store(t + targetStride);
                Avx.Permute2x128(c, g, 0x20).Store(t + 2 * targetStride);
                Avx.Permute2x128(d, h, 0x20).Store(t + 3 * targetStride);
                Avx.Permute2x128(a, e, 0x31).Store(t + 4 * targetStride);
                Avx.Permute2x128(b, f, 0x31).Store(t + 5 * targetStride);
                Avx.Permute2x128(c, g, 0x31).Store(t + 6 * targetStride);
                Avx.Permute2x128(d, h, 0x31).Store(t + 7 * targetStride);
            }
        for (; i < length; i++)
            for (var c = 0; c < columns; c++) target[i * targetStride + c] = source[c * sourceStride + i];
    }

    /// <summary>Transposes the two 4 x 4 halves of four rows of eight.</summary>
    private static (Vector256<float>, Vector256<float>, Vector256<float>, Vector256<float>) Quadruples(
        Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        Vector256<float> ab = Avx.UnpackLow(a, b), ab2 = Avx.UnpackHigh(a, b), cd = Avx.UnpackLow(c, d), cd2 = Avx.UnpackHigh(c, d);
        return (Avx.Shuffle(ab, cd, 0x44), Avx.Shuffle(ab, cd, 0xEE), Avx.Shuffle(ab2, cd2, 0x44), Avx.Shuffle(ab2, cd2, 0xEE));
    }

    /// <summary>
    /// Rows [row, row + count) as float32, one after another: where they lie, or widened into <paramref name="scratch"/>. The matrix is not
    /// transposed and, when it is an array, pinned at <paramref name="pinned"/>.
    /// </summary>
    public float* Floats(int row, int count, float* pinned, float* scratch)
    {
        if (Array is not null && RowStride == Columns) return pinned + Offset + row * RowStride;
        if (Array is null && Type == TensorType.F32) return (float*)Mapped + row * RowStride;
        Pack(row, count, 0, Columns, Columns, scratch);
        return scratch;
    }

    /// <summary>Widens <paramref name="count"/> elements that lie back to back.</summary>
    public static void Widen(byte* source, TensorType type, float* destination, int count)
    {
        switch (type)
        {
            case TensorType.F32:
                Unsafe.CopyBlockUnaligned(destination, source, (uint)count * 4);
                break;
            case TensorType.BF16: // the upper half of a float32
                var bits = (ushort*)source;
                var i = 0;
                for (; i <= count - Vector256<ushort>.Count; i += Vector256<ushort>.Count)
                {
                    var (low, high) = Vector256.Widen(Vector256.Load(bits + i));
                    (low << 16).AsSingle().Store(destination + i);
                    (high << 16).AsSingle().Store(destination + i + Vector256<uint>.Count);
                }
                for (; i < count; i++) destination[i] = BitConverter.UInt32BitsToSingle((uint)bits[i] << 16);
                break;
            case TensorType.F16:
                var halves = (Half*)source;
                for (var j = 0; j < count; j++) destination[j] = (float)halves[j];
                break;
            default:
                throw new InvalidOperationException($"{type} is no weight type.");
        }
    }
}
