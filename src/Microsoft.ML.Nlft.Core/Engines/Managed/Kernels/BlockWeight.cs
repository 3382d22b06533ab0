using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A packed weight whose elements share scales in blocks: a panel is one block of rows k after another, each the scales (and minima) of all lanes,
/// then the rows. The last block is as long as the others.
/// </summary>
internal sealed unsafe class BlockWeight<T> : PackedWeight where T : IBlockElement
{
    /// <summary>Packs a weight that is stored in blocks.</summary>
    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="readRow">Fills a row; called with the rows in order.</param>
    /// <param name="width">Rows of W in a panel.</param>
    public BlockWeight(int rows, int columns, Action<int, BlockRow> readRow, int width)
        : base(rows, columns, width, Blocks(columns) * BlockBytes(width), scaled: false)
    {
        var values = new BlockRow(columns, T.BlockRows);
        for (var row = 0; row < rows; row++)
        {
            readRow(row, values);
            var lane = row % width;
            if (lane == 0) new Span<byte>(PanelAt(row), (int)PanelBytes).Clear();
            var block = PanelAt(row - lane);
            for (var b = 0; b < values.Scales.Length; b++, block += BlockBytes(width))
            {
                ((float*)block)[lane] = values.Scales[b];
                if (T.BlockFloats > 1) ((float*)block)[width + lane] = values.Minima[b];
                var elements = values.Elements.AsSpan(b * T.BlockRows);
                for (var i = 0; i < Math.Min(T.BlockRows, elements.Length); i++) T.Store(Row(block, i), lane, width, elements[i]);
            }
        }
    }

    public override int BlockRows => T.BlockRows;

    public override int MaximumRows => 4 * Tile256.Rows;

    public override nint Offset(int k)
    {
        var (block, row) = Math.DivRem(k, T.BlockRows);
        return block * BlockBytes(Width) + (row == 0 ? 0 : HeaderBytes(Width) + row * RowBytes(Width));
    }

    public override bool MeetsDigits => T.Bits == 4;

    public override bool HasMinima => T.BlockFloats > 1;

    public override delegate*<in PanelProduct, int, void> Kernel<TTile>() => &TileLoop<TTile>.Multiply<T>;

    public override void ReadRow(int row, Span<float> destination)
    {
        var values = stackalloc float[8];
        var lane = row % Width;
        var block = PanelAt(row - lane);
        for (var k = 0; k < destination.Length; k++)
        {
            Load8(block, k % T.BlockRows, lane / 8 * 8).Store(values);
            destination[k] = values[lane % 8];
            if (k % T.BlockRows == T.BlockRows - 1) block += BlockBytes(Width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(int row, int rows, int k, int depth, float* panels)
    {
        for (var first = 0; first < rows; first += Width)
        {
            var block = PanelAt(row + first) + Offset(k);
            for (var left = depth; left > 0; left -= T.BlockRows, block += BlockBytes(Width))
            {
                for (var i = 0; i < Math.Min(left, T.BlockRows); i++, panels += Width)
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
                var block = panel + at / T.BlockRows * BlockBytes(Width);
                for (var i = 0; i < 8; i++) Load8(block, at % T.BlockRows + i, lane).Store(values + 8 * i);
                Panel.Transpose8x8<Float32>((byte*)values, 8 * sizeof(float), 0, 8, Math.Min(8, columns - j), Math.Min(8, depth - k), null,
                    panels + ((nint)(j / Width) * depth + k) * Width + j % Width, Width);
            }
        }
    }

    /// <summary>Eight weights of row <paramref name="i"/> of a block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Load8(byte* block, int i, int lane) =>
        T.Scale8(T.Load8(Row(block, i), lane, Width), (float*)block, T.Addend8((float*)block, lane, Width), lane, Width);

    private byte* Row(byte* block, int i) => block + HeaderBytes(Width) + i * RowBytes(Width);

    private static nint Blocks(int columns) => (columns + T.BlockRows - 1) / T.BlockRows;

    private static nint HeaderBytes(int width) => width * sizeof(float) * T.BlockFloats;

    private static nint RowBytes(int width) => width * T.Bits / 8;

    private static nint BlockBytes(int width) => HeaderBytes(width) + T.BlockRows * RowBytes(width);
}
