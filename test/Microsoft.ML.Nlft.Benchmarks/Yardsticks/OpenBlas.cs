using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>cblas_sgemm of an installed OpenBLAS, the baseline of the matrix products. The library itself does not use it.</summary>
internal sealed unsafe class OpenBlas
{
    private const int RowMajor = 101, NoTranspose = 111, Transpose = 112;

    private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _sgemm;

    private OpenBlas(nint library, int threads)
    {
        _sgemm = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
            NativeLibrary.GetExport(library, "cblas_sgemm");
        ((delegate* unmanaged<int, void>)NativeLibrary.GetExport(library, "openblas_set_num_threads"))(threads);
    }

    /// <summary>Loads OpenBLAS and sets its number of threads; returns null if it is not installed.</summary>
    public static OpenBlas? TryLoad(int threads) =>
        NativeLibrary.TryLoad("libopenblas.so.0", out var library) ? new OpenBlas(library, threads) : null;

    /// <summary>Computes C[m x n] = A[m x k] B[k x n]; <paramref name="transposed"/> says that b holds B^T.</summary>
    public void Multiply(int m, int n, int k, ReadOnlySpan<float> a, ReadOnlySpan<float> b, bool transposed, Span<float> c)
    {
        fixed (float* pa = a, pb = b, pc = c)
            _sgemm(RowMajor, NoTranspose, transposed ? Transpose : NoTranspose, m, n, k, 1, pa, k, pb, transposed ? k : n, 0, pc, n);
    }
}
