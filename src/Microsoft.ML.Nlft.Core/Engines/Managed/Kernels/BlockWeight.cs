using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A packed weight whose elements share scales in blocks: a panel is one block of 32 rows k after another, each the scales (and minima) of all lanes, then
/// the rows. The last block is as long as the others.
/// </summary>
internal sealed unsafe class BlockWeight<T> : PackedWeight where T : IBlockElement
{
    private const int Length = IBlockElement.Length;

    /// <summary>Quantizes a weight.</summary>
    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="readRow">Fills a span with a row in float32; called with the rows in order.</param>
    /// <param name="width">Rows of W in a panel.</param>
    public BlockWeight(int rows, int columns, Action<int, Span<float>> readRow, int width)
        : base(rows, columns, width, Blocks(columns) * BlockBytes(width), scaled: false)
    {
        var values = new float[columns];
        var elements = (stackalloc sbyte[Length]);
        for (var row = 0; row < rows; row++)
        {
            readRow(row, values);
            var lane = row % width;
            if (lane == 0) new Span<byte>(PanelAt(row), (int)PanelBytes).Clear();
            var block = PanelAt(row - lane);
            for (var k = 0; k < columns; k += Length, block += BlockBytes(width))
            {
                var weights = values.AsSpan(k, Math.Min(Length, columns - k));
                var (scale, minimum) = T.Quantize(weights, elements);
                ((float*)block)[lane] = scale;
                if (T.BlockFloats > 1) ((float*)block)[width + lane] = minimum;
                for (var i = 0; i < weights.Length; i++) T.Store(Row(block, i), lane, width, elements[i]);
            }
        }
    }

    public override int BlockRows => Length;

    public override int MaximumRows => Tile256.Rows;

    public override nint Offset(int k) => k / Length * BlockBytes(Width) + (k % Length == 0 ? 0 : HeaderBytes(Width) + k % Length * RowBytes(Width));

    public override delegate*<in PanelProduct, int, void> Kernel<TTile>() => &TileLoop<TTile>.Multiply<T>;

    public override void ReadRow(int row, Span<float> destination)
    {
        var values = stackalloc float[8];
        var lane = row % Width;
        var block = PanelAt(row - lane);
        for (var k = 0; k < destination.Length; k++)
        {
            Load8(block, k % Length, lane / 8 * 8).Store(values);
            destination[k] = values[lane % 8];
            if (k % Length == Length - 1) block += BlockBytes(Width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(int row, int rows, int k, int depth, float* panels)
    {
        for (var first = 0; first < rows; first += Width)
        {
            var block = PanelAt(row + first) + Offset(k);
            for (var left = depth; left > 0; left -= Length, block += BlockBytes(Width))
            {
                for (var i = 0; i < Math.Min(left, Length); i++, panels += Width)
                {
                    for (var lane = 0; lane < Width; lane += 8) Load8(block, i, lane).Store(panels + lane);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Repack(int row, int depth, int column, int columns, float* panels)
    {
        var values = stackalloc float[8 * 8]; // eight lanes of eight rows of a panel
        if (columns % Width != 0) new Span<float>(panels + columns / Width * (nint)depth * Width, depth * Width).Clear();
        for (var k = 0; k < depth; k += 8)
        {
            var lane = (row + k) % Width;
            var panel = PanelAt(row + k - lane);
            for (var j = 0; j < columns; j += 8)
            {
                var at = column + j; // a multiple of 8, so that eight rows are of one block
                var block = panel + at / Length * BlockBytes(Width);
                for (var i = 0; i < 8; i++) Load8(block, at % Length + i, lane).Store(values + 8 * i);
                Panel.Transpose8x8<Float32>((byte*)values, 8 * sizeof(float), 0, 8, Math.Min(8, columns - j), Math.Min(8, depth - k), null,
                    panels + ((nint)(j / Width) * depth + k) * Width + j % Width, Width);
            }
        }
    }

    /// <summary>Eight weights of row <paramref name="i"/> of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Load8(byte* block, int i, int lane) =>
        T.Scale8(T.Load8(Row(block, i), lane, Width), (float*)block, lane, Width);

    private byte* Row(byte* block, int i) => block + HeaderBytes(Width) + i * RowBytes(Width);

    private static nint Blocks(int columns) => (columns + Length - 1) / Length;

    private static nint HeaderBytes(int width) => width * sizeof(float) * T.BlockFloats;

    private static nint RowBytes(int width) => width * T.Bits / 8;

    private static nint BlockBytes(int width) => HeaderBytes(width) + Length * RowBytes(width);
}
