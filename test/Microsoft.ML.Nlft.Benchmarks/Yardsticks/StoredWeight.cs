using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>A weight in the type in which a model would hold it.</summary>
internal sealed unsafe class StoredWeight : IDisposable
{
    private readonly Int8Matrix? _int8;
    private readonly byte* _bytes;

    public StoredWeight(Matrix values, TensorType type)
    {
        if (type == TensorType.I8)
        {
            _int8 = new Int8Matrix(values.Rows, values.Columns, (row, target) => values[row].CopyTo(target));
            Operand = _int8.Operand;
            return;
        }
        var size = values.Span.Length * type.ByteSize();
        _bytes = (byte*)NativeMemory.AlignedAlloc((nuint)size, 64);
        TensorConversion.FromSingle(type, values.Span, new Span<byte>(_bytes, size));
        Operand = new Operand(_bytes, type, values.Rows, values.Columns);
    }

    public Operand Operand { get; }

    public void Dispose()
    {
        _int8?.Dispose();
        if (_bytes is not null) NativeMemory.AlignedFree(_bytes);
    }
}
