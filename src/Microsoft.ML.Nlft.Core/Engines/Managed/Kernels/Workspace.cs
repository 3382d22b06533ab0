using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Keeps large float arrays for reuse, so that a training step allocates next to nothing once the first is done. Rented arrays hold whatever
/// was in them; they do not move, and a matrix begins at a cache line. Safe for use from many threads.
/// </summary>
internal sealed unsafe class Workspace
{
    private const int Line = 16; // floats

    private readonly List<float[]> _free = []; // by length

    /// <summary>Rents a matrix; return it with <see cref="Return(Matrix)"/>.</summary>
    public Matrix Rent(int rows, int columns)
    {
        var array = Rent(checked(rows * columns + Line));
        var misaligned = (int)((nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)) / sizeof(float) % Line);
        return new Matrix(array, (Line - misaligned) % Line, rows, columns, columns);
    }

    public void Return(Matrix matrix)
    {
        lock (_free)
        {
            var index = Find(matrix.Data.Length);
            _free.Insert(index, matrix.Data);
        }
    }

    /// <summary>The shortest array that is long enough and not twice too long, else a new one.</summary>
    private float[] Rent(int length)
    {
        lock (_free)
        {
            var index = Find(length);
            if (index < _free.Count && _free[index].Length / 2 <= length)
            {
                var array = _free[index];
                _free.RemoveAt(index);
                return array;
            }
        }
        return GC.AllocateUninitializedArray<float>(length, pinned: true);
    }

    /// <summary>Index of the first free array of at least that length.</summary>
    private int Find(int length)
    {
        int low = 0, high = _free.Count;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_free[middle].Length < length) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
