namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>
/// Keeps large float arrays for reuse, so that a training step allocates next to nothing once the first is done. Rented arrays
/// hold whatever was in them. Safe for use from many threads.
/// </summary>
internal sealed class Workspace
{
    private readonly Dictionary<int, Stack<float[]>> _free = [];

    /// <summary>Rents a matrix; return it with <see cref="Return(Matrix)"/>.</summary>
    public Matrix Rent(int rows, int columns) => new(Rent(checked(rows * columns)), rows, columns);

    public float[] Rent(int length)
    {
        var size = SizeClass(length);
        lock (_free)
            if (_free.TryGetValue(size, out var stack) && stack.TryPop(out var array))
                return array;
        return GC.AllocateUninitializedArray<float>(size);
    }

    public void Return(Matrix matrix) => Return(matrix.Data);

    public void Return(float[] array)
    {
        lock (_free)
        {
            if (!_free.TryGetValue(array.Length, out var stack)) _free[array.Length] = stack = new Stack<float[]>();
            stack.Push(array);
        }
    }

    /// <summary>Sizes are rounded up to an eighth of a power of two, so that batches of nearly equal length share arrays.</summary>
    private static int SizeClass(int length)
    {
        if (length <= 1024) return 1024;
        var step = 1 << (int.Log2(length) - 3);
        return (int)Math.Min(Array.MaxLength, ((long)length + step - 1) / step * step);
    }
}
