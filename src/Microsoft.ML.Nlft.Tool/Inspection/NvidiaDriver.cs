using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>Detects NVIDIA's driver on this machine through the driver's library.</summary>
internal static class NvidiaDriver
{
    [UnmanagedFunctionPointer(CallingConvention.Winapi)]
    private delegate int GetVersion(out int version);

    /// <summary>Returns the newest CUDA version that the driver supports, for example 12.8; null without a driver.</summary>
    public static Version? SupportedCuda()
    {
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var library)) return null;
        try
        {
            return NativeLibrary.TryGetExport(library, "cuDriverGetVersion", out var address)
                && Marshal.GetDelegateForFunctionPointer<GetVersion>(address)(out var version) == 0
                ? new Version(version / 1000, version % 1000 / 10) : null;
        }
        finally
        {
            NativeLibrary.Free(library);
        }
    }
}
