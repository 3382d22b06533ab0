using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>cblas_sgemm of an installed OpenBLAS, the baseline of the matrix products. The library itself does not use it.</summary>
/// <remarks>
/// A release older than the processor does not know it and falls back to one of its oldest kernels. Its environment variable then names the kernels
/// for the vectors that ours have.
/// </remarks>
internal sealed unsafe partial class OpenBlas
{
    /// <summary>The environment variable that names the kernels.</summary>
    public const string CoreVariable = "OPENBLAS_CORETYPE";

    private const int RowMajor = 101, NoTranspose = 111, Transpose = 112;

    private readonly delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void> _sgemm;

    private OpenBlas(nint library, int threads)
    {
        _sgemm = (delegate* unmanaged<int, int, int, int, int, int, float, float*, int, float*, int, float, float*, int, void>)
            NativeLibrary.GetExport(library, "cblas_sgemm");
        ((delegate* unmanaged<int, void>)NativeLibrary.GetExport(library, "openblas_set_num_threads"))(threads);
        Core = Marshal.PtrToStringUTF8(((delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "openblas_get_corename"))()) ?? "";
    }

    /// <summary>
    /// The value of <see cref="CoreVariable"/>: what the user set, else the kernels for 512 bits, or for 256 where the processor could do more; null
    /// where OpenBLAS decides.
    /// </summary>
    public static string? CoreToSet => Environment.GetEnvironmentVariable(CoreVariable)
        ?? (Vector512.IsHardwareAccelerated ? "SkylakeX" : Machine.HasAvx512 ? "Haswell" : null);

    /// <summary>The processor whose kernels it runs.</summary>
    public string Core { get; }

    /// <summary>Loads OpenBLAS and sets its number of threads; returns null if it is not installed.</summary>
    public static OpenBlas? TryLoad(int threads)
    {
        if (CoreToSet is { } core) SetNativeVariable(CoreVariable, core, 1); // which Environment.SetEnvironmentVariable does not
        return NativeLibrary.TryLoad("libopenblas.so.0", out var library) ? new OpenBlas(library, threads) : null;
    }

    /// <summary>Computes C[m x n] = A[m x k] B[k x n]; <paramref name="transposed"/> says that b holds B^T.</summary>
    public void Multiply(int m, int n, int k, ReadOnlySpan<float> a, ReadOnlySpan<float> b, bool transposed, Span<float> c)
    {
        fixed (float* pa = a, pb = b, pc = c)
            _sgemm(RowMajor, NoTranspose, transposed ? Transpose : NoTranspose, m, n, k, 1, pa, k, pb, transposed ? k : n, 0, pc, n);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetNativeVariable(string name, string value, int overwrite);
}
