namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// The micro-kernel: a tile of C whose sums stay in registers over the whole depth; see <see cref="PanelProduct"/>. Each element is one chain of
/// fused multiply-adds in the order of k, so tiles of every width and height give the same bits.
/// </summary>
internal unsafe interface ITile
{
    /// <summary>The height that fills the registers.</summary>
    static abstract int Rows { get; }

    /// <summary>The width, two vectors.</summary>
    static abstract int Columns { get; }

    /// <summary>
    /// Computes the tile of <c>TRows.Count</c> rows, at most <see cref="Rows"/>, that starts at <paramref name="row"/>. The compiler specializes it
    /// for every height, for both widths and for every element type of B.
    /// </summary>
    static abstract void Multiply<TRows, TWidth, T>(in PanelProduct product, nint row)
        where TRows : IRowCount where TWidth : IWidth where T : IElement;

    /// <summary>Computes one row of <see cref="TileLoop{TTile}.RowPanels"/> panels at once: the sums of one would wait for each other.</summary>
    static abstract void MultiplyRow<T>(in PanelProduct product) where T : IElement;

    /// <summary>Computes a row of C from <see cref="PanelProduct.Digits"/> and a panel of 4 bits.</summary>
    static abstract void MultiplyDigits(in PanelProduct product, nint row);
}

/// <summary>The height of a tile as a type, so that the code of rows beyond it is never compiled.</summary>
internal interface IRowCount
{
    static abstract int Count { get; }
}

internal readonly struct Rows1 : IRowCount { public static int Count => 1; }
internal readonly struct Rows2 : IRowCount { public static int Count => 2; }
internal readonly struct Rows3 : IRowCount { public static int Count => 3; }
internal readonly struct Rows4 : IRowCount { public static int Count => 4; }
internal readonly struct Rows5 : IRowCount { public static int Count => 5; }
internal readonly struct Rows6 : IRowCount { public static int Count => 6; }
internal readonly struct Rows7 : IRowCount { public static int Count => 7; }
internal readonly struct Rows8 : IRowCount { public static int Count => 8; }
internal readonly struct Rows9 : IRowCount { public static int Count => 9; }
internal readonly struct Rows10 : IRowCount { public static int Count => 10; }
internal readonly struct Rows11 : IRowCount { public static int Count => 11; }
internal readonly struct Rows12 : IRowCount { public static int Count => 12; }

/// <summary>The width of a tile as a type: two vectors, or one, as for the products with a factor of LoRA.</summary>
internal interface IWidth
{
    static abstract bool IsWhole { get; }
}

internal readonly struct WholeWidth : IWidth { public static bool IsWhole => true; }
internal readonly struct HalfWidth : IWidth { public static bool IsWhole => false; }
