using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A frozen weight W[out x in], packed once into the panels that x W^T wants: the rows of W as wide as a tile at a time, element [i, k] at
/// panel[k * width + i], in the type of the file or in int8. The kernels read it where it lies, in training and in decoding; only dy W has to turn it back.
/// </summary>
internal abstract unsafe class PackedWeight : IDisposable
{
    private const int Slack = 64; // bytes that a kernel may read beyond the end

    private void* _block; // the factors, then the panels
    private readonly float* _scales;
    private readonly byte* _panels;

    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="width">Rows of a panel.</param>
    /// <param name="size">Bytes of an element.</param>
    /// <param name="scaled">Whether rows have factors.</param>
    protected PackedWeight(int rows, int columns, int width, int size, bool scaled)
    {
        (Rows, Columns, Width, RowBytes) = (rows, columns, width, width * size);
        var padded = (rows + width - 1) / width * width;
        var scales = scaled ? padded * sizeof(float) : 0; // a multiple of a cache line
        _block = NativeMemory.AlignedAlloc(checked((nuint)scales + (nuint)(padded / width) * (nuint)PanelBytes + Slack), 64);
        _panels = (byte*)_block + scales;
        if (!scaled) return;
        _scales = (float*)_block;
        new Span<float>(_scales, padded).Clear();
    }

    ~PackedWeight() => Free();

    public int Rows { get; }
    public int Columns { get; }

    /// <summary>Rows of a panel, the width of a tile.</summary>
    public int Width { get; }

    /// <summary>Bytes from one row k of a panel to the next.</summary>
    public nint RowBytes { get; }

    /// <summary>Bytes from one panel to the next.</summary>
    public nint PanelBytes => Columns * RowBytes;

    /// <summary>The type of the elements.</summary>
    public abstract TensorType Type { get; }

    /// <summary>Packs a weight.</summary>
    /// <param name="type">The elements' type. Values that it cannot hold are rounded.</param>
    /// <param name="rows">out.</param>
    /// <param name="columns">in.</param>
    /// <param name="readRow">Fills a span with a row as float32; asked for one after the other.</param>
    /// <param name="width">Rows of a panel: 16 or 32, the width of the tiles that will read it.</param>
    public static PackedWeight Create(TensorType type, int rows, int columns, Action<int, Span<float>> readRow, int width) => type switch
    {
        TensorType.F32 => new PackedWeight<Float32>(rows, columns, readRow, width),
        TensorType.BF16 => new PackedWeight<BFloat16>(rows, columns, readRow, width),
        TensorType.F16 => new PackedWeight<Float16>(rows, columns, readRow, width),
        TensorType.I8 => new PackedWeight<Int8>(rows, columns, readRow, width),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Weights are held as F32, BF16, F16 or I8."),
    };

    /// <summary>The panel that begins with row <paramref name="row"/>, a multiple of the width.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public byte* PanelAt(int row)
    {
        ObjectDisposedException.ThrowIf(_block is null, this);
        return _panels + row / Width * PanelBytes;
    }

    /// <summary>The factors from row <paramref name="row"/> on, or null.</summary>
    public float* Scales(int row) => _scales is null ? null : _scales + row;

    /// <summary>Copies one row as float32.</summary>
    public abstract void ReadRow(int row, Span<float> destination);

    /// <summary>What computes a column of tiles whose B is a panel of this weight.</summary>
    public abstract delegate*<in TileColumn, int, void> Kernel<TTile>() where TTile : ITile;

    /// <summary>
    /// Packs columns [column, column + columns) of rows [row, row + depth), row a multiple of eight, into float32 panels for dy W: element [k, j] is
    /// W[row + k, column + j]. See <see cref="Panel.Pack"/>.
    /// </summary>
    public abstract void Unpack(int row, int depth, int column, int columns, float* panels);

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        NativeMemory.AlignedFree(_block); // nothing when freed before
        _block = null;
    }
}

/// <summary>A packed weight of one type of elements.</summary>
internal sealed unsafe class PackedWeight<T> : PackedWeight where T : IElement
{
    public PackedWeight(int rows, int columns, Action<int, Span<float>> readRow, int width) : base(rows, columns, width, T.Size, T.IsScaled)
    {
        float[] values = new float[width * columns], panel = new float[columns * width];
        fixed (float* source = values, turned = panel)
            for (var row = 0; row < rows; row += width)
            {
                if (rows - row < width) Array.Clear(values);
                for (var lane = 0; lane < Math.Min(width, rows - row); lane++)
                {
                    var line = values.AsSpan(T.Place(lane, width) * columns, columns);
                    readRow(row + lane, line);
                    if (T.IsScaled) Scales(row)[lane] = Int8.Round(line);
                }
                Panel.Pack(source, columns, transposed: true, columns, width, width, turned);
                var target = new Span<byte>(PanelAt(row), (int)PanelBytes);
                if (T.IsScaled)
                    for (var i = 0; i < panel.Length; i++) target[i] = (byte)(sbyte)panel[i];
                else TensorConversion.FromSingle(T.Type, panel, target);
            }
    }

    public override TensorType Type => T.Type;

    public override delegate*<in TileColumn, int, void> Kernel<TTile>() => &Tiles<TTile>.Multiply<T>;

    public override void ReadRow(int row, Span<float> destination)
    {
        var lane = row % Width;
        var scale = T.IsScaled ? Scales(row)[0] : 1;
        var source = PanelAt(row - lane);
        for (var k = 0; k < destination.Length; k++, source += RowBytes) destination[k] = T.One(source, lane, Width) * scale;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Unpack(int row, int depth, int column, int columns, float* panels)
    {
        if (columns % Width != 0) new Span<float>(panels + columns / Width * (nint)depth * Width, depth * Width).Clear();
        for (var k = 0; k < depth; k += 8)
        {
            var lane = (row + k) % Width;
            var source = PanelAt(row + k - lane) + column * RowBytes;
            var scales = T.IsScaled ? Scales(row + k) : null;
            for (var j = 0; j < columns; j += 8, source += 8 * RowBytes)
            {
                for (var ahead = lane * 8 * T.Size; Sse.IsSupported && ahead < (lane + 8) * 8 * T.Size; ahead += 64) Sse.Prefetch0(source + 2 * PanelBytes + ahead); // of the second next panel
                Panel.Turn<T>(source, RowBytes, lane, Width, Math.Min(8, columns - j), Math.Min(8, depth - k), scales,
                    panels + ((nint)(j / Width) * depth + k) * Width + j % Width, Width);
            }
        }
    }
}
