using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// A pool of float arrays: after the first training step, the next ones allocate almost nothing. A rented array is pinned and not cleared, and a
/// rented matrix starts at a cache line. Thread-safe.
/// </summary>
internal sealed unsafe class Workspace
{
    private const int Line = 16; // floats

    private readonly List<float[]> _free = []; // sorted by length

    /// <summary>Rents a matrix, to be given back with <see cref="Return(Matrix)"/>.</summary>
    public Matrix Rent(int rows, int columns)
    {
        var array = Rent(checked(rows * columns + Line));
        var misaligned = (int)((nuint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array)) / sizeof(float) % Line);
        return new Matrix(array, (Line - misaligned) % Line, rows, columns, columns);
    }

    /// <summary>Takes back a rented matrix.</summary>
    public void Return(Matrix matrix)
    {
        lock (_free)
        {
            var index = Find(matrix.Data.Length);
            _free.Insert(index, matrix.Data);
        }
    }

    /// <summary>Takes the shortest free array that is long enough and less than about twice as long, or allocates one.</summary>
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

    /// <summary>Index of the first free array of at least <paramref name="length"/> elements.</summary>
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
