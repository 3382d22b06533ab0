using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A frozen matrix rounded to signed bytes with one factor per row: w = s q with s = max |w| / 127 and q = round(w / s), so that every weight is off
/// by at most s / 2, that is 1/254 of the largest of its row.
/// </summary>
internal sealed unsafe class Int8Matrix : IDisposable
{
    private readonly int _rows, _columns;
    private sbyte* _values;
    private readonly float* _scales;

    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="readRow">Fills a span with a row as float32.</param>
    public Int8Matrix(int rows, int columns, Action<int, Span<float>> readRow)
    {
        (_rows, _columns) = (rows, columns);
        // Both in one block: the factors, then the bytes.
        _scales = (float*)NativeMemory.AlignedAlloc(checked((nuint)rows * sizeof(float) + (nuint)rows * (nuint)columns + 64), 64);
        _values = (sbyte*)(_scales + rows);
        var row = new float[columns];
        for (var i = 0; i < rows; i++)
        {
            readRow(i, row);
            _scales[i] = Round(row, new Span<sbyte>(_values + (nint)i * columns, columns));
        }
    }

    ~Int8Matrix() => Free();

    public Operand Operand => new((byte*)_values, TensorType.I8, _rows, _columns, _scales);

    /// <summary>Rounds one row and returns its factor; a row of zeros has the factor 0.</summary>
    public static float Round(ReadOnlySpan<float> row, Span<sbyte> values)
    {
        var largest = 0f;
        foreach (var value in row) largest = MathF.Max(largest, MathF.Abs(value));
        var scale = largest / 127;
        var inverse = scale > 0 ? 1 / scale : 0;
        for (var i = 0; i < row.Length; i++) values[i] = (sbyte)MathF.Round(Math.Clamp(row[i] * inverse, -127, 127));
        return scale;
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_values is null) return;
        _values = null;
        NativeMemory.AlignedFree(_scales);
    }
}
