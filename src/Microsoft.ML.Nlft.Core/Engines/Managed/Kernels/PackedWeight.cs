using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A frozen weight W[out x in], packed once as it is loaded into the panels of W^T, in the type of the file, in int8 or in blocks of 4 or 8 bits. A
/// panel holds as many rows of W as a tile is wide: panel[k * width + i] = W[i, k]. Forward products x W^T read the panels in place, in training
/// and in decoding; backward products dy W, and products of many rows with blocks, unpack a few of them at a time.
/// </summary>
internal abstract unsafe class PackedWeight : IDisposable
{
    private const int Slack = 64, Alignment = 128; // bytes that a kernel may read beyond the end; of the panels

    private void* _block; // the scales, then the panels
    private readonly float* _scales;
    private readonly byte* _panels;

    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="width">Rows of W in a panel.</param>
    /// <param name="panelBytes">Bytes of a panel.</param>
    /// <param name="scaled">Whether rows of W have scales.</param>
    protected PackedWeight(int rows, int columns, int width, nint panelBytes, bool scaled)
    {
        (Rows, Columns, Width, PanelBytes) = (rows, columns, width, panelBytes);
        var padded = (rows + width - 1) / width * width;
        var scales = scaled ? padded * sizeof(float) : 0; // a multiple of a cache line
        _block = NativeMemory.AlignedAlloc(checked((nuint)scales + (nuint)(padded / width) * (nuint)PanelBytes + Slack), Alignment);
        _panels = (byte*)_block + scales;
        if (!scaled) return;
        _scales = (float*)_block;
        new Span<float>(_scales, padded).Clear();
    }

    ~PackedWeight() => Free();

    public int Rows { get; }
    public int Columns { get; }

    /// <summary>Rows of W in a panel, the width of a tile.</summary>
    public int Width { get; }

    /// <summary>Bytes from one panel to the next.</summary>
    public nint PanelBytes { get; }

    /// <summary>Rows k of a panel that belong together: a product starts at a multiple of them.</summary>
    public virtual int BlockRows => 8;

    /// <summary>
    /// The most rows of x for which x W^T reads the panels in place: above, unpacking them once costs less than converting elements again and again.
    /// </summary>
    public virtual int MaximumRows => int.MaxValue;

    /// <summary>Whether a product in <see cref="Digits"/> reads the panels, of 4 bits.</summary>
    public virtual bool MeetsDigits => false;

    /// <summary>Whether every block has a minimum.</summary>
    public virtual bool HasMinima => false;

    /// <summary>Bytes from the start of a panel to its row k, a multiple of <see cref="BlockRows"/>.</summary>
    public abstract nint Offset(int k);

    /// <summary>Packs a weight.</summary>
    /// <param name="type">The type of the elements. Values that it cannot represent are rounded.</param>
    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="readRow">Fills a span with a row in float32; called with the rows in order.</param>
    /// <param name="width">Rows of W in a panel: 16 or 32, the width of the tiles that will read it.</param>
    public static PackedWeight Create(TensorType type, int rows, int columns, Action<int, Span<float>> readRow, int width) => type switch
    {
        TensorType.F32 => new PackedWeight<Float32>(rows, columns, readRow, width),
        TensorType.BF16 => new PackedWeight<BFloat16>(rows, columns, readRow, width),
        TensorType.F16 => new PackedWeight<Float16>(rows, columns, readRow, width),
        TensorType.I8 => new PackedWeight<Int8>(rows, columns, readRow, width),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Weights are packed as F32, BF16, F16 or I8."),
    };

    /// <summary>Packs a weight that is stored in blocks.</summary>
    /// <param name="format">What the blocks are like.</param>
    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="readRow">Fills a row; called with the rows in order.</param>
    /// <param name="width">Rows of W in a panel.</param>
    public static PackedWeight Create(BlockFormat format, int rows, int columns, Action<int, BlockRow> readRow, int width) => format switch
    {
        { Bits: 4, Length: 32, HasMinimum: false } => new BlockWeight<Nibble<Blocks32>>(rows, columns, readRow, width),
        { Bits: 4, Length: 32 } => new BlockWeight<Nibble<Blocks32WithMinimum>>(rows, columns, readRow, width),
        { Bits: 8, Length: 32, HasMinimum: false } => new BlockWeight<ScaledByte<Blocks32>>(rows, columns, readRow, width),
        { Bits: 8, Length: 32 } => new BlockWeight<ScaledByte<Blocks32WithMinimum>>(rows, columns, readRow, width),
        { Bits: 8, Length: 16, HasMinimum: false } => new BlockWeight<ScaledByte<Blocks16>>(rows, columns, readRow, width),
        { Bits: 8, Length: 16 } => new BlockWeight<ScaledByte<Blocks16WithMinimum>>(rows, columns, readRow, width),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Blocks have 4 or 8 bits and 16 or 32 elements."),
    };

    /// <summary>
    /// Packs a weight in blocks of 4 bits; see <see cref="GgufEncoding.Quantize"/>. Parameters as in
    /// <see cref="Create(TensorType, int, int, Action{int, Span{float}}, int)"/>.
    /// </summary>
    public static PackedWeight CreateNibbles(int rows, int columns, Action<int, Span<float>> readRow, int width)
    {
        var values = new float[columns];
        return new BlockWeight<Nibble<Blocks32>>(rows, columns, Quantize, width);

        void Quantize(int row, BlockRow target)
        {
            readRow(row, values);
            for (var block = 0; block < target.Scales.Length; block++)
            {
                var start = block * target.BlockLength;
                var count = Math.Min(target.BlockLength, columns - start);
                target.Scales[block] = GgufEncoding.Quantize(values.AsSpan(start, count), target.Elements.AsSpan(start, count));
            }
        }
    }

    /// <summary>The panel that starts with row <paramref name="row"/>, a multiple of the width.</summary>
    /// <exception cref="ObjectDisposedException">The weight was disposed.</exception>
    public byte* PanelAt(int row)
    {
        ObjectDisposedException.ThrowIf(_block is null, this);
        return _panels + row / Width * PanelBytes;
    }

    /// <summary>The scales from row <paramref name="row"/> on; null for a type without scales.</summary>
    public float* Scales(int row) => _scales is null ? null : _scales + row;

    /// <summary>Copies one row as float32.</summary>
    public abstract void ReadRow(int row, Span<float> destination);

    /// <summary>
    /// Converts rows [k, k + depth) of the panels from row <paramref name="row"/> on to float32 panels of W^T, as many as
    /// <paramref name="rows"/> rows of W fill, with k a multiple of <see cref="BlockRows"/>.
    /// </summary>
    public virtual void Unpack(int row, int rows, int k, int depth, float* panels) =>
        throw new NotSupportedException("These panels are read in place.");

    /// <summary>The function that computes a <see cref="PanelProduct"/> with a panel of this weight.</summary>
    public abstract delegate*<in PanelProduct, int, void> Kernel<TTile>() where TTile : ITile;

    /// <summary>
    /// Packs columns [column, column + columns) of rows [row, row + depth), with row a multiple of 8, into the float32 panels of W that dy W
    /// needs: element [k, j] is W[row + k, column + j]. See <see cref="Panel.Pack"/>.
    /// </summary>
    public abstract void Repack(int row, int depth, int column, int columns, float* panels);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_block); // freeing null does nothing
        _block = null;
    }
}

/// <summary>A packed weight of one element type.</summary>
internal sealed unsafe class PackedWeight<T> : PackedWeight where T : IElement
{
    public PackedWeight(int rows, int columns, Action<int, Span<float>> readRow, int width)
        : base(rows, columns, width, (nint)columns * width * T.Bits / 8, T.IsScaled)
    {
        float[] values = new float[width * columns], panel = new float[columns * width];
        fixed (float* source = values, packed = panel)
        {
            for (var row = 0; row < rows; row += width)
            {
                if (rows - row < width) Array.Clear(values);
                for (var lane = 0; lane < Math.Min(width, rows - row); lane++)
                {
                    var line = values.AsSpan(T.Slot(lane, width) * columns, columns);
                    readRow(row + lane, line);
                    if (T.IsScaled) Scales(row)[lane] = Int8.Quantize(line);
                }
                Panel.Pack(source, columns, transposed: true, columns, width, width, packed);
                Store(panel, new Span<byte>(PanelAt(row), (int)PanelBytes));
            }
        }
    }

    private nint RowBytes => Width * T.Bits / 8;

    public override nint Offset(int k) => k * RowBytes;

    public override delegate*<in PanelProduct, int, void> Kernel<TTile>() => &TileLoop<TTile>.Multiply<T>;

    public override void ReadRow(int row, Span<float> destination)
    {
        var lane = row % Width;
        var scale = T.IsScaled ? Scales(row)[0] : 1;
        var source = PanelAt(row - lane);
        for (var k = 0; k < destination.Length; k++, source += RowBytes) destination[k] = T.Load(source, lane, Width) * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Repack(int row, int depth, int column, int columns, float* panels)
    {
        if (columns % Width != 0) new Span<float>(panels + columns / Width * (nint)depth * Width, depth * Width).Clear();
        for (var k = 0; k < depth; k += 8)
        {
            var lane = (row + k) % Width;
            var source = PanelAt(row + k - lane) + column * RowBytes;
            var scales = T.IsScaled ? Scales(row + k) : null;
            for (var j = 0; j < columns; j += 8, source += 8 * RowBytes)
            {
                // The same lanes of the panel after the next one.
                for (var ahead = lane * T.Bits; Sse.IsSupported && ahead < (lane + 8) * T.Bits; ahead += 64)
                {
                    Sse.Prefetch0(source + 2 * PanelBytes + ahead);
                }
                Panel.Transpose8x8<T>(source, RowBytes, lane, Width, Math.Min(8, columns - j), Math.Min(8, depth - k), scales,
                    panels + ((nint)(j / Width) * depth + k) * Width + j % Width, Width);
            }
        }
    }

    private static void Store(ReadOnlySpan<float> panel, Span<byte> target)
    {
        if (T.IsScaled)
        {
            for (var i = 0; i < panel.Length; i++) target[i] = (byte)(sbyte)panel[i];
        }
        else
        {
            TensorConversion.FromSingle(T.Type!.Value, panel, target);
        }
    }
}
