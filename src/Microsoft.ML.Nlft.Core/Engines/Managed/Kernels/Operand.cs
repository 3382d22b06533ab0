using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// One factor of a matrix product, possibly transposed: a float matrix, or a frozen weight in the type in which it is stored (F32, F16, BF16 as
/// it lies in its file, or I8 with one factor per row). Stored types are widened to float32 while panels are packed.
/// </summary>
internal readonly unsafe struct Operand
{
    public readonly float[]? Array;
    private readonly int _offset;
    private readonly byte* _stored;
    private readonly float* _scales;
    private readonly nint _stride; // elements from one stored row to the next
    private readonly bool _transposed;

    private Operand(float[]? array, int offset, byte* stored, float* scales, TensorType type, int rows, int columns, nint stride, bool transposed)
    {
        (Array, _offset, Type, Rows, Columns, _stride, _transposed) = (array, offset, type, rows, columns, stride, transposed);
        _stored = stored;
        _scales = scales;
    }

    public Operand(Matrix matrix) : this(matrix.Data, matrix.Offset, null, null, TensorType.F32, matrix.Rows, matrix.Columns, matrix.Stride, false) { }

    /// <param name="stored">The elements, row after row.</param>
    /// <param name="type">Their type.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="scales">With I8, the factor of every row.</param>
    public Operand(byte* stored, TensorType type, int rows, int columns, float* scales = null) : this(null, 0, stored, scales, type, rows, columns, columns, false) { }

    public static implicit operator Operand(Matrix matrix) => new(matrix);

    public TensorType Type { get; }
    public int Rows { get; }
    public int Columns { get; }

    /// <summary>The float matrix that this is, not transposed.</summary>
    public Matrix Matrix => Array is not null && !_transposed ? new Matrix(Array, _offset, Rows, Columns, (int)_stride) : throw new InvalidOperationException("The factor is no float matrix as it lies.");

    public Operand Transposed => new(Array, _offset, _stored, _scales, Type, Columns, Rows, _stride, !_transposed);

    /// <summary>Rows [row, row + rows) of a factor that is not transposed.</summary>
    public Operand RowRange(int row, int rows) => _transposed ? throw new InvalidOperationException("Take rows before transposing.") : Array is not null
        ? new(Array, _offset + (int)(row * _stride), null, null, Type, rows, Columns, _stride, false)
        : new(null, 0, _stored + row * _stride * Type.ByteSize(), _scales is null ? null : _scales + row, Type, rows, Columns, _stride, false);

    /// <summary>Columns [column, column + depth) from row <paramref name="row"/> on as a part of a left factor, in an array pinned at <paramref name="pinned"/>.</summary>
    public LeftFactor Left(float* pinned, int row, int column, int depth)
    {
        var (rowStride, columnStride) = _transposed ? ((nint)1, _stride) : (_stride, 1);
        return new LeftFactor(pinned + _offset + row * rowStride + column * columnStride, rowStride, columnStride, depth);
    }

    /// <summary>Packs columns [column, column + columns) of rows [row, row + depth) into panels of a width; see <see cref="Panel.Pack"/>.</summary>
    public void Pack(int row, int depth, int column, int columns, int width, int panelDepth, float* panels)
    {
        fixed (float* pinned = Array)
        {
            var (first, offset) = _transposed ? (column, row) : (row, column); // of the matrix as it is stored
            var source = (Array is null ? _stored : (byte*)(pinned + _offset)) + (first * _stride + offset) * Type.ByteSize();
            Panel.Pack(Type, source, _stride, _scales is null ? null : _scales + first, _transposed, depth, columns, width, panelDepth, panels);
        }
    }

    /// <summary>Row <paramref name="row"/> of a factor that is not transposed, as float32.</summary>
    public void ReadRow(int row, Span<float> destination)
    {
        fixed (float* pinned = Array, target = destination)
        {
            var (source, _, scale) = Stored(row, pinned);
            switch (Type)
            {
                case TensorType.F32: Widen<Float32>((byte*)source, Columns, target); break;
                case TensorType.BF16: Widen<BFloat16>((byte*)source, Columns, target); break;
                case TensorType.F16: Widen<Float16>((byte*)source, Columns, target); break;
                case TensorType.I8:
                    Widen<Int8>((byte*)source, Columns, target);
                    VectorMath.Scale(destination, *(float*)scale);
                    break;
                default: throw new InvalidOperationException($"{Type} is no type of weights.");
            }
        }
    }

    /// <summary>Stored elements as float32, without their row's factor.</summary>
    public static void Widen<T>(byte* source, int count, float* target) where T : IElement
    {
        var k = 0;
        for (; k + 8 <= count; k += 8) T.Load(source + k * T.Size).Store(target + k);
        for (; k < count; k++) target[k] = T.LoadOne(source + k * T.Size);
    }

    /// <summary>
    /// Row <paramref name="row"/> as it is stored, the bytes from one row to the next, and with I8 the factors of the rows from this one on. The
    /// factor is not transposed and, when it is an array, pinned at <paramref name="pinned"/>.
    /// </summary>
    public (nint Address, nint Stride, nint Scales) Stored(int row, float* pinned) => _transposed ? throw new InvalidOperationException("The factor is transposed.") :
        ((nint)(Array is null ? _stored : (byte*)(pinned + _offset)) + row * _stride * Type.ByteSize(), _stride * Type.ByteSize(), _scales is null ? 0 : (nint)(_scales + row));
}
